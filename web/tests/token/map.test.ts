// Picking, views and colours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { contrast, markOf, marks, PALETTES } from "../../src/token/colours";
import { pack } from "../../src/token/packing";
import { Picker } from "../../src/token/picking";
import { afterKey, afterPinch, fit, pan, toMap, zoom } from "../../src/token/view";
import { largeToken, random } from "./samples";

test("the pointer finds the circle that contains it, as a search through all does", () => {
  const layout = pack(largeToken(2_000, 0.33));
  const picker = new Picker(layout);
  const next = random(1);
  for (let n = 0; n < 2_000; n += 1) {
    const [x, y] = [(2 * next() - 1) * layout.reach, (2 * next() - 1) * layout.reach];
    const wanted = [...layout.circles].find(([, circle]) => Math.hypot(circle.x - x, circle.y - y) <= circle.r)?.[0];
    assert.equal(picker.holderAt(x, y), wanted);
  }
  for (const [id, { x, y }] of layout.discs) assert.equal(picker.discAt(x, y), id);
});

test("a small circle is found next to it", () => {
  const layout = pack({ groups: [], singles: [{ id: "a", value: 1e-9 }], exponent: 0.33 });
  const { x, y, r } = layout.circles.get("a") ?? { x: 0, y: 0, r: 0 };
  const picker = new Picker(layout);
  assert.equal(picker.holderAt(x + r + 4, y), undefined);
  assert.equal(picker.holderAt(x + r + 4, y, 6), "a");
});

test("zooming keeps the point under the pointer", () => {
  const view = zoom(pan(fit(500, 800, 600), 30, -20), 1.7, { x: 120, y: 80 });
  const at = toMap(view, { x: 400, y: 200 });
  const after = toMap(zoom(view, 2.5, { x: 400, y: 200 }), { x: 400, y: 200 });
  assert.ok(Math.hypot(at.x - after.x, at.y - after.y) < 1e-9);
});

test("two fingers move and zoom the map", () => {
  const view = fit(500, 800, 600);
  const after = afterPinch(view, [{ x: 100, y: 100 }, { x: 200, y: 100 }], [{ x: 90, y: 120 }, { x: 290, y: 120 }]);
  assert.equal(after.scale, view.scale * 2);
  const finger = toMap(view, { x: 100, y: 100 });
  assert.deepEqual(toMap(after, { x: 90, y: 120 }), finger);
});

test("keys without a meaning are left to the page", () => {
  const view = fit(500, 800, 600);
  const middle = { x: 400, y: 300 };
  for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "+", "-"]) assert.ok(afterKey(view, key, middle));
  assert.equal(afterKey(view, "Tab", middle), undefined);
});

for (const [theme, palette] of Object.entries(PALETTES))
  test(`every colour has a contrast of 3:1 at least on the ${theme} background`, () => {
    assert.equal(palette.clusters.length, 13);
    assert.equal(new Set(palette.clusters).size, 13);
    const { background, clusters, ...others } = palette;
    for (const colour of [...clusters, ...Object.values(others)])
      assert.ok(contrast(colour, background) >= 3, `${colour}: ${contrast(colour, background).toFixed(2)}`);
    for (const colour of [palette.text]) assert.ok(contrast(colour, background) >= 7);
  });

test("the second dozen of clusters differs from the first by its pattern", () => {
  const all = Array.from({ length: 39 }, (_, n) => markOf(n));
  assert.equal(new Set(all.map(({ colour, pattern }) => `${colour}/${pattern}`)).size, 39);
  assert.equal(markOf(12).pattern, "solid");
  assert.equal(markOf(13).pattern, "hatched");
});

test("clusters keep their marks in another report", () => {
  const base = marks(["a", "b", "c"]);
  const other = marks(["c", "d", "a"], base);
  assert.deepEqual([other.get("a"), other.get("c"), other.get("d")], [0, 2, 3]);
});
