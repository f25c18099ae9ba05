// Make tokens of any size, the same each time.

import type { Packing } from "../../src/token/packing";

/** Return a generator of numbers from 0 to 1 (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Return a token whose balances follow a power law, a third of its holders in clusters. */
export function largeToken(holders: number, exponent: number): Packing {
  const next = random(holders);
  const total = Array.from({ length: holders }, (_, n) => 1 / (n + 1) ** 1.1).reduce((sum, each) => sum + each, 0);
  const items = Array.from({ length: holders }, (_, n) => ({ id: `0x${n.toString(16).padStart(40, "0")}`, value: 1 / (n + 1) ** 1.1 / total }));
  const groups: { id: string; members: typeof items }[] = [];
  const singles: typeof items = [];
  for (const item of items) {
    if (next() > 0.33) singles.push(item);
    else if (groups.length === 0 || next() < 0.08) groups.push({ id: `c_${groups.length}`, members: [item] });
    else groups[Math.floor(next() * groups.length)]?.members.push(item);
  }
  return { groups, singles, exponent };
}
