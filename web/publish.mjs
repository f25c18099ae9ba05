// Write built files into a folder that a gateway may read at any time.

import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/**
 * Write new assets, then the files that name them, then remove what no file names any more.
 *
 * At each moment, also if the process is killed, every page in the folder finds its assets. `assets`
 * and `files` map names to contents; names of assets contain a hash of their content. Each file gets
 * compressed copies next to it.
 */
export async function publish(folder, { assets, files, manifest }) {
  for (const [name, bytes] of assets) await writeAll(join(folder, "assets", name), bytes);
  for (const [name, bytes] of files) await writeAll(join(folder, name), bytes);
  await replace(join(folder, "manifest.json"), manifest);
  await removeOthers(join(folder, "assets"), new Set([...assets.keys()].flatMap(copiesOf)));
  await removeOthers(folder, new Set(["assets", "manifest.json", ...[...files.keys()].flatMap(copiesOf)]));
}

const copiesOf = (name) => [`${name}.gz`, `${name}.br`, name];

/** Write a file and its compressed copies; the file itself, whose name readers look for, comes last. */
async function writeAll(path, bytes) {
  const size = Buffer.byteLength(bytes);
  await mkdir(dirname(path), { recursive: true });
  await replace(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  await replace(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: size } }));
  await replace(path, bytes);
}

/** Replace a file at once: readers see the earlier content or the new one, never a part. */
async function replace(path, bytes) {
  await writeFile(`${path}.new`, bytes);
  await rename(`${path}.new`, path);
}

async function removeOthers(folder, names) {
  for (const name of await readdir(folder)) {
    if (!names.has(name)) await rm(join(folder, name), { recursive: true });
  }
}
