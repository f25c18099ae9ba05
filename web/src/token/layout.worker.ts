// Make layouts outside the page's thread.

import { type Layout, type Packing, pack } from "./packing";

export interface LayoutRequest {
  readonly id: number;
  readonly packing: Packing;
  readonly older?: Layout;
}

export interface LayoutResponse {
  readonly id: number;
  readonly layout: Layout;
  /** Milliseconds that the layout took. */
  readonly took: number;
}

addEventListener("message", ({ data }: MessageEvent<LayoutRequest>) => {
  const started = performance.now();
  const layout = pack(data.packing, data.older);
  const response: LayoutResponse = { id: data.id, layout, took: performance.now() - started };
  (self as unknown as { postMessage(message: LayoutResponse): void }).postMessage(response);
});
