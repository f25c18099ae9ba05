import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { gunzipSync } from "node:zlib";
// @ts-expect-error: a script of the build has no types
import { publish } from "../../publish.mjs";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vouch-publish-"));
});
afterEach(() => rm(folder, { recursive: true }));

const built = (hash: string) => ({
  assets: new Map([[`member-${hash}.js`, `script ${hash}`]]),
  files: new Map([["member.html", `<script src="member-${hash}.js">`]]),
  manifest: hash,
});

async function names(): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map(({ name }) => name).sort();
}

test("files of an earlier build are removed, and copies are of the new one", async () => {
  await publish(folder, built("A"));
  await publish(folder, built("B"));
  assert.deepEqual(await names(), [
    "manifest.json", "member-B.js", "member-B.js.br", "member-B.js.gz", "member.html", "member.html.br", "member.html.gz",
  ]);
  assert.equal(gunzipSync(await readFile(join(folder, "member.html.gz"))).toString(), '<script src="member-B.js">');
});

test("a build that fails at any step leaves pages whose assets exist", async () => {
  await publish(folder, built("A"));
  const next = built("B");
  for (const step of [next.assets, next.files]) {
    const failing = new Map(step);
    failing.set("fails", undefined as unknown as string);
    const parts = step === next.assets ? { ...next, assets: failing } : { ...next, files: failing };
    await assert.rejects(publish(folder, parts));
    const [, script] = /src="(.*)"/.exec(await readFile(join(folder, "member.html"), "utf8")) ?? [];
    assert.ok((await names()).includes(script ?? ""));
  }
});

test("what an interrupted build left behind is removed by the next one", async () => {
  await publish(folder, built("A"));
  await writeFile(join(folder, "assets", "member-X.js.new"), "half");
  await publish(folder, built("A"));
  assert.ok(!(await names()).includes("member-X.js.new"));
});
