// Show a ledger as it was at an earlier moment.

import type { ExplainedEntry } from "../../shared/description";

/** Return the entries that existed before a moment; those that were decided later were pending. */
export function entriesBefore(entries: readonly ExplainedEntry[], moment: number): readonly ExplainedEntry[] {
  const existed = entries.filter(({ at }) => at < moment);
  return existed.map((entry) => ((entry.settledAt ?? 0) < moment ? entry : { ...entry, state: "pending", settledAt: null }));
}
