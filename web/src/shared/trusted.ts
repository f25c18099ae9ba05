// Name the scripts that the pages may start, which the browser checks (Trusted Types).

interface Policy {
  createScriptURL(address: string): unknown;
}

interface Factory {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): Policy;
}

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy = factory?.createPolicy("vouch", {
  createScriptURL(address) {
    if (!Object.values(WORKERS).includes(address)) throw new TypeError(`${address} is no worker`);
    return address;
  },
});

/** Start a worker by the name of its file: `src/token/layout.worker.ts` is `layout`. */
export function startWorker(name: string): Worker {
  const address = WORKERS[name];
  if (address === undefined) throw new RangeError(`There is no worker ${name}`);
  return new Worker((policy?.createScriptURL(address) ?? address) as string, { type: "module" });
}
