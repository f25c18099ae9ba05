// Values of a chart belong to the day on which they counted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY, endOf, lastOfDays } from "../../src/shared/days";

const MIDNIGHT = endOf("2026-11-27");

test("a day ends at the next midnight", () => {
  assert.equal(new Date(1000 * MIDNIGHT).toISOString(), "2026-11-28T00:00:00.000Z");
});

test("the value of midnight is that of the day that ended, and today has the current one", () => {
  const points = [{ at: MIDNIGHT, value: 600 }, { at: MIDNIGHT + 3600, value: 700 }];
  assert.deepEqual(lastOfDays(points), points.toReversed());
});

test("a day with several values has the last one", () => {
  const first = { at: MIDNIGHT - DAY + 3600, value: 300 };
  const last = { at: MIDNIGHT, value: 400 };
  assert.deepEqual(lastOfDays([first, last]), [last]);
});

test("a past day is there once", () => {
  const points = [MIDNIGHT - DAY, MIDNIGHT].map((at) => ({ at, value: 400 }));
  assert.equal(lastOfDays(points).length, 2);
});
