// Check that dist/ is what the sources build: the same files, and compressed copies of them.

import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

const DIST = join(import.meta.dirname, "dist");
const UNPACK = { ".gz": gunzipSync, ".br": brotliDecompressSync };

async function namesIn(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

/** Return what differs. Compressed files are compared by their content: compressors differ. */
async function differences(built) {
  const [wanted, found] = [await namesIn(built), await namesIn(DIST)];
  const problems = found.filter((name) => !wanted.includes(name)).map((name) => `${name} is not built`);
  for (const name of wanted) {
    if (!found.includes(name)) problems.push(`${name} is missing`);
    else if (!(await agree(built, name))) problems.push(`${name} differs`);
  }
  return problems;
}

async function agree(built, name) {
  const unpack = UNPACK[name.slice(-3)] ?? ((bytes) => bytes);
  const [wanted, found] = await Promise.all([readFile(join(built, name)), readFile(join(DIST, name))]);
  return unpack(wanted).equals(unpack(found));
}

const built = await mkdtemp(join(tmpdir(), "vouch-web-"));
try {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, "build.mjs"), built], { stdio: "inherit" });
  const problems = status === 0 ? await differences(built) : [];
  if (status !== 0) process.exitCode = 1; // the build has said why
  if (problems.length > 0) {
    console.error(`web/dist is out of date: run \`make web\`.\n  ${problems.join("\n  ")}`);
    process.exitCode = 1;
  }
} finally {
  await rm(built, { recursive: true });
}
