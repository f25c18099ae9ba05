// Compare two maps of a token: who grew, who is new, who is gone, and who changed clusters.

import type { Model } from "./model";

export type Change = "new" | "grown" | "shrunk" | "gone";

export interface Move {
  readonly address: string;
  readonly from: string | null;
  readonly to: string | null;
}

export interface Difference {
  readonly changes: ReadonlyMap<string, Change>;
  /** Holders who joined, left or changed a cluster. */
  readonly moves: readonly Move[];
}

/** Amounts that differ by less than this part are equal. */
const NOTICEABLE = 1e-6;

/** Return the changes from an older map to a newer one. Where a map is cut off, small holders are left out. */
export function differenceOf(older: Model, newer: Model): Difference {
  const changes = new Map<string, Change>();
  const moves: Move[] = [];
  const isKnown = (model: Model, other: { clusterId: string | null }): boolean => model.isComplete || other.clusterId !== null;
  for (const [address, holder] of newer.holders) {
    const before = older.holders.get(address);
    if (before === undefined) {
      if (isKnown(older, holder)) changes.set(address, "new");
      continue;
    }
    if (before.clusterId !== holder.clusterId) moves.push({ address, from: before.clusterId, to: holder.clusterId });
    const by = holder.ofSupply - before.ofSupply;
    if (Math.abs(by) > NOTICEABLE * Math.max(holder.ofSupply, before.ofSupply)) changes.set(address, by > 0 ? "grown" : "shrunk");
  }
  for (const [address, holder] of older.holders) {
    if (!newer.holders.has(address) && isKnown(newer, holder)) changes.set(address, "gone");
  }
  return { changes, moves };
}
