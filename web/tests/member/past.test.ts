// A past day shows the ledger of that day.

import assert from "node:assert/strict";
import { test } from "node:test";
import { entriesBefore } from "../../src/member/home/past";
import type { ExplainedEntry } from "../../src/shared/description";

function entry(at: number, state: ExplainedEntry["state"], settledAt: number | null): ExplainedEntry {
  return { at, state, settledAt } as ExplainedEntry;
}

test("later entries are left out", () => {
  const early = entry(10, "confirmed", 10);
  assert.deepEqual(entriesBefore([entry(20, "confirmed", 20), early], 20), [early]);
});

test("what was decided later was pending", () => {
  for (const state of ["confirmed", "void"] as const) {
    assert.deepEqual(entriesBefore([entry(10, state, 30)], 20), [entry(10, "pending", null)]);
  }
});

test("what is pending was pending", () => {
  const pending = entry(10, "pending", null);
  assert.deepEqual(entriesBefore([pending], 20), [pending]);
});
