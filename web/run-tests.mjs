// Run the tests of the modules that need no browser: bundle tests/**/*.test.ts, and run them with Node.

import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as esbuild from "esbuild";

const TESTS = join(import.meta.dirname, "tests");

const found = await readdir(TESTS, { recursive: true });
const folder = await mkdtemp(join(tmpdir(), "vouch-web-tests-"));
try {
  await esbuild.build({
    entryPoints: found.filter((file) => file.endsWith(".test.ts")).map((file) => join(TESTS, file)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    logLevel: "warning",
  });
  const built = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith(".mjs"));
  const run = spawnSync(process.execPath, ["--test", ...built.map((file) => join(folder, file))], { stdio: "inherit" });
  process.exitCode = run.status ?? 1;
} finally {
  await rm(folder, { recursive: true });
}
