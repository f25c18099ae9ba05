// The layout is deterministic, without overlaps, and stays where it was when the data changes a little.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Circle, overlap } from "../../src/token/circles";
import { type Layout, type Packing, pack } from "../../src/token/packing";
import { largeToken, random } from "./samples";

function collisions(circles: readonly Circle[]): number {
  const sorted = [...circles].sort((a, b) => a.x - a.r - (b.x - b.r));
  let found = 0;
  for (const [index, one] of sorted.entries())
    for (let next = index + 1; next < sorted.length; next += 1) {
      const other = sorted[next] as Circle;
      if (other.x - other.r > one.x + one.r) break;
      if (overlap(one, other)) found += 1;
    }
  return found;
}

function outer(layout: Layout): Circle[] {
  const singles = [...layout.circles].filter(([id]) => !layout.homes.has(id)).map(([, circle]) => circle);
  return [...layout.discs.values(), ...singles];
}

function assertSound(layout: Layout, packing: Packing): void {
  assert.equal(collisions(outer(layout)), 0, "discs and single holders overlap");
  for (const group of packing.groups) {
    const members = group.members.map(({ id }) => layout.circles.get(id) as Circle);
    const disc = layout.discs.get(group.id) as Circle;
    assert.equal(collisions(members), 0, "members overlap");
    for (const { x, y, r } of members) assert.ok(Math.hypot(x - disc.x, y - disc.y) + r <= disc.r + 1e-6, "a member is outside");
  }
}

function shuffled<T>(items: readonly T[], next: () => number): T[] {
  return [...items].map((item) => ({ item, at: next() })).sort((a, b) => a.at - b.at).map(({ item }) => item);
}

function changed(packing: Packing, next: () => number): Packing {
  const vary = ({ id, value }: { id: string; value: number }) => ({ id, value: value * (0.8 + 0.5 * next()) });
  return {
    ...packing,
    groups: packing.groups.map((group) => ({ ...group, members: group.members.map(vary) })),
    singles: [...packing.singles.map(vary).filter(() => next() > 0.03), ...Array.from({ length: 40 }, (_, n) => ({ id: `new-${n}`, value: 1e-4 * next() }))],
  };
}

for (const exponent of [0.33, 0.5])
  for (const holders of [1, 60, 515, 5_000])
    test(`${holders} holders with exponent ${exponent} are packed without overlaps, the same in any order`, () => {
      const packing = largeToken(holders, exponent);
      const layout = pack(packing);
      assertSound(layout, packing);
      const next = random(7);
      const groups = shuffled(packing.groups, next).map((group) => ({ ...group, members: shuffled(group.members, next) }));
      assert.deepEqual(pack({ ...packing, groups, singles: shuffled(packing.singles, next) }).circles, layout.circles);
    });

for (const holders of [515, 5_000])
  test(`${holders} holders that change a little stay close to where they were`, () => {
    const before = largeToken(holders, 0.33);
    const older = pack(before);
    const after = changed(before, random(3));
    const layout = pack(after, older);
    assertSound(layout, after);
    const moves = [...layout.discs].map(([id, { x, y }]) => {
      const was = older.discs.get(id) as Circle;
      return Math.hypot(x - was.x, y - was.y) / older.reach;
    });
    moves.sort((a, b) => a - b);
    assert.ok((moves[moves.length >> 1] ?? 0) < 0.05, `half of the clusters moved by more than ${moves[moves.length >> 1]}`);
    assert.ok(layout.reach < 1.3 * older.reach, "the map has become much larger");
  });

test("an unchanged token keeps its layout exactly", () => {
  const packing = largeToken(515, 0.33);
  const older = pack(packing);
  const layout = pack(packing, older);
  for (const [id, { x, y, r }] of layout.circles) {
    const was = older.circles.get(id) as Circle;
    assert.ok(Math.hypot(x - was.x, y - was.y) < 1e-6 && Math.abs(r - was.r) < 1e-6, `${id} moved`);
  }
});

test("clusters that merge are packed into one disc", () => {
  const packing = largeToken(200, 0.33);
  const older = pack(packing);
  const [first, second, ...others] = packing.groups;
  assert.ok(first && second);
  const merged = { ...packing, groups: [{ id: first.id, members: [...first.members, ...second.members] }, ...others] };
  assertSound(pack(merged, older), merged);
});

test("holders of nothing and equal holders are packed too", () => {
  const nothing = Array.from({ length: 30 }, (_, n) => ({ id: `n${n}`, value: 0 }));
  const equal = Array.from({ length: 30 }, (_, n) => ({ id: `e${n}`, value: 0.01 }));
  const packing: Packing = { groups: [{ id: "c", members: nothing }, { id: "empty", members: [] }], singles: equal, exponent: 0.33 };
  const layout = pack(packing);
  assertSound(layout, { ...packing, groups: packing.groups.slice(0, 1) });
  assert.equal(layout.discs.has("empty"), false);
  assertSound(pack(packing, layout), { ...packing, groups: packing.groups.slice(0, 1) });
});

test("the time of a layout is reported", (context) => {
  const measured = (holders: number, older?: Layout): [number, Layout] => {
    const packing = largeToken(holders, 0.33);
    const started = performance.now();
    const layout = pack(packing, older);
    return [performance.now() - started, layout];
  };
  measured(515);
  const [small] = measured(515);
  const [large, layout] = measured(5_000);
  const [seeded] = measured(5_000, layout);
  context.diagnostic(`515 holders ${small.toFixed(0)} ms; 5,000 holders ${large.toFixed(0)} ms (${(large / small).toFixed(1)} times), ${seeded.toFixed(0)} ms from an older layout`);
});
