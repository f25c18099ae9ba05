// What is drawn follows from amounts; names of strangers are harmless; addresses of the page are read back.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Evidence, MapNode, TokenMap } from "../../src/shared/description";
import { DEFAULTS, pathOf, queryOf, type Shown, shownIn, tokenIn } from "../../src/token/address";
import { bridges } from "../../src/token/bridges";
import { csv } from "../../src/token/csv";
import { differenceOf } from "../../src/token/difference";
import { decimal, modelOf, packingOf, short, shownName } from "../../src/token/model";

const ADDRESS = `0x${"ab".repeat(20)}`;

function node(address: string, amount: number, more: Partial<MapNode> = {}): MapNode {
  return { address, amount: String(amount), kind: "eoa", rank: 1, ...more } as MapNode;
}

function mapOf(nodes: readonly MapNode[], listedHolders = nodes.length): TokenMap {
  const ids = [...new Set(nodes.map(({ clusterId }) => clusterId).filter((id) => typeof id === "string"))];
  return {
    nodes,
    listedHolders,
    clusters: ids.map((id) => ({ id, evidence: [] })),
    distributions: [],
    token: { totalSupply: "1000", decimals: 0 },
    supply: { circulating: 0.4 },
  } as unknown as TokenMap;
}

test("shares follow from amounts, each with its own denominator", () => {
  const model = modelOf(mapOf([node("a", 100, { clusterId: "c_1" }), node("pool", 600, { kind: "contract" })]));
  assert.equal(model.holders.get("a")?.ofSupply, 0.1);
  assert.equal(model.holders.get("a")?.ofCirculating, 0.25);
  assert.equal(model.holders.get("pool")?.ofSupply, 0.6);
  assert.equal(model.holders.get("pool")?.ofCirculating, null);
});

test("without infrastructure, sizes refer to what circulates", () => {
  const model = modelOf(mapOf([node("a", 100), node("pool", 600, { kind: "contract" })]));
  const switches = { infrastructure: false, areas: true, evidence: true, transfers: false };
  assert.deepEqual(packingOf(model, switches).singles, [{ id: "a", value: 0.25 }]);
  assert.equal(packingOf(model, { ...switches, infrastructure: true }).singles.length, 2);
});

test("a supply that cannot be right does not make shares larger than 1", () => {
  const map = { ...mapOf([node("a", 5_000)]), token: { totalSupply: "0" } } as unknown as TokenMap;
  assert.equal(modelOf(map).holders.get("a")?.ofSupply, 1);
});

test("holders who changed are found, and those beyond the end of a list are not called new", () => {
  const older = modelOf(mapOf([node("a", 100, { clusterId: "c_1" }), node("b", 50), node("c", 10)]));
  const newer = modelOf(mapOf([node("a", 90, { clusterId: "c_2" }), node("b", 60), node("d", 10)]));
  const { changes, moves } = differenceOf(older, newer);
  assert.deepEqual([...changes].sort(), [["a", "shrunk"], ["b", "grown"], ["c", "gone"], ["d", "new"]]);
  assert.deepEqual(moves, [{ address: "a", from: "c_1", to: "c_2" }]);
  const cut = modelOf(mapOf([node("a", 90)], 500));
  assert.deepEqual([...differenceOf(cut, newer).changes], []);
});

test("names lose hidden characters and excess length", () => {
  assert.equal(shownName("safe\u202egnp.\u0000exe\u200b"), "safegnp.exe");
  assert.equal([...shownName("💠".repeat(60))].length, 40);
  assert.equal(shownName("<b>"), "<b>");
});

test("amounts are written exactly", () => {
  assert.equal(decimal(123n, 0), "123");
  assert.equal(decimal(1n, 18), "0.000000000000000001");
  assert.equal(decimal(1234500n, 4), "123.45");
  assert.equal(decimal(10n ** 40n, 18), `1${"0".repeat(22)}`);
  assert.equal(short(ADDRESS), "0xabab…abab");
});

test("spreadsheets do not take cells for formulas", () => {
  assert.equal(csv([["a", "=1+1", '"x",'], ["-2", 3, "@sum"]]), `a,'=1+1,"""x"","\r\n'-2,3,'@sum\r\n`);
  assert.equal(csv([["\uff1d1", "  =1", "a=b", " b"]]), "'\uff1d1,'  =1,a=b, b\r\n");
});

test("the address of the page names the token and what is shown", () => {
  const token = { chain: "base", address: ADDRESS };
  assert.deepEqual(tokenIn(pathOf(token)), token);
  for (const path of ["/app/token/", "/app/token/base", "/app/", "/app/token/base/%E0%A4%A", "/app/token/a/b/c"]) assert.equal(tokenIn(path), null);
  const shown: Shown = { ...DEFAULTS, at: 17, from: 5, selected: ADDRESS, top: "5000", areas: true, evidence: false };
  assert.deepEqual(shownIn(queryOf(shown)), shown);
  assert.equal(queryOf(DEFAULTS), "");
  assert.deepEqual(shownIn("?at=x&from=-1&select=javascript:alert(1)&top=7&areas=yes"), DEFAULTS);
});

test("a bridge is a link whose loss leaves two groups", () => {
  const link = (from: string, to: string): Evidence => ({ type: "firstSource", from, to, txHash: "0x", block: 1, why: "", via: [] });
  const evidence = [link("a", "b"), link("b", "c"), link("c", "d")];
  assert.deepEqual(bridges(evidence), [evidence[1]]);
  assert.deepEqual(bridges([...evidence, link("a", "d")]), []);
});
