// Pasted people become rows: each address its own, and none of them a note.

import assert from "node:assert/strict";
import { test } from "node:test";
import { repeatedIn, rowsOf } from "../../src/member/invite/rows";

function row(email: string, note = "", locale = "") {
  return { email, note, locale };
}

const CASES: readonly [name: string, text: string, rows: readonly ReturnType<typeof row>[]][] = [
  ["a line for each", "a@mail.example\nb@mail.example\r\n", [row("a@mail.example"), row("b@mail.example")]],
  ["recipients on one line", "a@mail.example, b@mail.example; c@mail.example", [row("a@mail.example"), row("b@mail.example"), row("c@mail.example")]],
  ["recipients with names", '"Two, Bob" <b@mail.example>, Cy <c@mail.example>', [row("b@mail.example"), row("c@mail.example")]],
  ["a note", "a@mail.example, Hello; how are you?", [row("a@mail.example", "Hello; how are you?")]],
  ["a quoted note with a line break", 'a@mail.example;"Hello,\nAnn";de', [row("a@mail.example", "Hello,\nAnn", "de")]],
  ["a separator for each line", "a@mail.example, Hi\nb@mail.example; Ho\nc@mail.example\tHu", [row("a@mail.example", "Hi"), row("b@mail.example", "Ho"), row("c@mail.example", "Hu")]],
  ["no note, but a locale", "a@mail.example,,de", [row("a@mail.example", "", "de")]],
  ["what is no address", "ann, Hello", [row("ann", "Hello")]],
  ["a header", "note;email\nask b@mail.example, too;Ann <a@mail.example>", [row("a@mail.example", "ask b@mail.example, too")]],
  ["a note of an address below a header", "email,note\na@mail.example,b@mail.example", [row("a@mail.example", "b@mail.example")]],
  ["an empty text", " \n", []],
];

for (const [name, text, rows] of CASES) {
  test(`people from ${name}`, () => assert.deepEqual(rowsOf(text), rows));
}

test("any mixture of separators, names and lines yields each address once, and no note", () => {
  let state = 1;
  const below = (most: number) => (state = (state * 48_271) % 2_147_483_647) % most;
  for (let run = 0; run < 500; run += 1) {
    const addresses = Array.from({ length: 1 + below(8) }, (_, at) => `p${at}.${below(99)}@mail.example`);
    const written = addresses.map((each) => [each, ` ${each} `, `<${each}>`, `Ann Lee <${each}>`][below(4)]!);
    const text = written.reduce((before, each) => before + [",", "; ", ", ", "\t", "\n", "\r\n"][below(6)]! + each);
    assert.deepEqual(rowsOf(text), addresses.map((each) => row(each)), JSON.stringify(text));
  }
});

test("an address that an earlier row has is repeated, however it is written", () => {
  const rows = rowsOf("a@mail.example\nb@mail.example, Hello\nAnn <A@Mail.example>\nb@mail.example\nc@mail.example");
  assert.deepEqual([...repeatedIn(rows)], [2, 3]);
});
