// Find what is under the pointer.

import { type Quadtree, quadtree } from "d3-quadtree";
import type { Circle } from "./circles";
import type { Layout } from "./packing";

interface Target {
  readonly id: string;
  readonly circle: Circle;
}

type Branch = { largest?: number };

/** Find the holder, or the cluster, at a point of the map. */
export class Picker {
  readonly #holders: Quadtree<Target>;
  readonly #discs: readonly Target[];

  constructor(layout: Layout) {
    this.#holders = quadtree<Target>()
      .x(({ circle }) => circle.x)
      .y(({ circle }) => circle.y)
      .addAll([...layout.circles].map(([id, circle]) => ({ id, circle })));
    this.#holders.visitAfter((node) => {
      const branch = node as Branch;
      branch.largest = 0;
      if (!node.length) {
        let leaf: typeof node | undefined = node;
        for (; leaf; leaf = leaf.next as typeof node | undefined)
          branch.largest = Math.max(branch.largest, leaf.data.circle.r);
      } else for (const child of node) branch.largest = Math.max(branch.largest, (child as Branch)?.largest ?? 0);
    });
    this.#discs = [...layout.discs].map(([id, circle]) => ({ id, circle }));
  }

  /** Return the holder at a point; `slack` makes small circles easier to hit. */
  holderAt(x: number, y: number, slack = 0): string | undefined {
    let [found, nearest]: [string | undefined, number] = [undefined, slack];
    this.#holders.visit((node, x0, y0, x1, y1) => {
      const reach = ((node as Branch).largest ?? 0) + slack;
      if (x < x0 - reach || x > x1 + reach || y < y0 - reach || y > y1 + reach) return true;
      if (node.length) return false;
      let leaf: typeof node | undefined = node;
      for (; leaf; leaf = leaf.next as typeof node | undefined) {
        const { id, circle } = leaf.data;
        const beyond = Math.hypot(circle.x - x, circle.y - y) - circle.r;
        if (beyond <= nearest) [found, nearest] = [id, beyond];
      }
      return false;
    });
    return found;
  }

  /** Return the cluster whose disc contains a point. */
  discAt(x: number, y: number): string | undefined {
    return this.#discs.find(({ circle }) => Math.hypot(circle.x - x, circle.y - y) <= circle.r)?.id;
  }
}
