// Make layouts: small ones at once, large ones in a worker.

import { startWorker } from "../shared/trusted";
import type { LayoutRequest, LayoutResponse } from "./layout.worker";
import { type Layout, type Packing, pack, WORKER_ABOVE } from "./packing";

let worker: Worker | undefined;
let requests = 0;

/** Return a layout, close to an older one if there is one. */
export async function layoutOf(packing: Packing, older?: Layout): Promise<Layout> {
  const holders = packing.singles.length + packing.groups.reduce((sum, { members }) => sum + members.length, 0);
  const { layout, took } = holders > WORKER_ABOVE ? await inWorker(packing, older) : here(packing, older);
  performance.measure("vouch-layout", { start: performance.now() - took, duration: took, detail: { holders } });
  return layout;
}

function here(packing: Packing, older?: Layout): { layout: Layout; took: number } {
  const started = performance.now();
  return { layout: pack(packing, older), took: performance.now() - started };
}

function inWorker(packing: Packing, older?: Layout): Promise<LayoutResponse> {
  worker ??= startWorker("layout");
  const started = worker;
  requests += 1;
  const request: LayoutRequest = { id: requests, packing, ...(older && { older }) };
  return new Promise((done, fail) => {
    const receive = ({ data }: MessageEvent<LayoutResponse>): void => {
      if (data.id !== request.id) return;
      started.removeEventListener("message", receive);
      done(data);
    };
    started.addEventListener("message", receive);
    started.addEventListener("error", () => fail(new Error("The layout could not be made.")), { once: true });
    started.postMessage(request);
  });
}
