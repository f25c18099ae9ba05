/** Addresses of the workers by name, set by the build: `src/token/layout.worker.ts` is `layout`. */
declare const WORKERS: Readonly<Record<string, string>>;

declare module "*.css";
declare module "*.svg" {
  const address: string;
  export default address;
}
