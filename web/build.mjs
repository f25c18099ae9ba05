// Build the pages into dist/: names with hashes of their content, each file also compressed.
// `node build.mjs` writes dist; `node build.mjs OTHER` writes there; `--watch` builds on each change.

import * as esbuild from "esbuild";
import { readFile, readdir } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { publish } from "./publish.mjs";

const HERE = import.meta.dirname;
const PUBLIC = "/app/assets/";
const PAGES = ["member", "token"];
/** Gzipped kilobytes that a page may load before it shows its first language. */
const BUDGETS = { member: { js: 40, css: 10 }, token: { js: 45, css: 10 } };

const COMMON = {
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  write: false,
  absWorkingDir: HERE,
  preserveSymlinks: true, // names follow from paths below this folder, wherever the packages really are
  outdir: join(HERE, "dist", "assets"),
  publicPath: PUBLIC,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "file" },
};

/** Build src/*\/*.worker.ts, whose addresses the pages know as WORKERS["name"]. */
async function buildWorkers() {
  const found = await readdir(join(HERE, "src"), { recursive: true });
  const entryPoints = found.filter((file) => file.endsWith(".worker.ts")).sort();
  if (entryPoints.length === 0) return { files: [], addresses: {} };
  const built = await esbuild.build({ ...COMMON, entryPoints: entryPoints.map((file) => join("src", file)), outbase: "src", entryNames: "[name]-[hash]" });
  const addresses = {};
  for (const [output, { entryPoint }] of Object.entries(built.metafile.outputs)) {
    if (entryPoint) addresses[basename(entryPoint, ".worker.ts")] = PUBLIC + basename(output);
  }
  return { files: built.outputFiles, addresses, metafile: built.metafile };
}

async function buildPages(workers) {
  return esbuild.build({
    ...COMMON,
    splitting: true,
    entryPoints: Object.fromEntries(PAGES.map((page) => [page, `src/${page}/main.tsx`])),
    define: { WORKERS: JSON.stringify(workers.addresses) },
  });
}

/** Return the shared style sheet, for the few pages that the API itself serves. */
async function styleSheet() {
  const built = await esbuild.build({ ...COMMON, entryPoints: ["src/shared/theme.css"] });
  return built.outputFiles[0].contents;
}

/** Return the files that a page loads before anything else, its language included. */
function initialFiles(page, metafile) {
  const outputs = Object.entries(metafile.outputs);
  const [entry, { cssBundle }] = outputs.find(([, each]) => each.entryPoint === `src/${page}/main.tsx`);
  const found = new Set([entry]);
  for (const file of found) {
    for (const { path, kind } of metafile.outputs[file].imports) {
      if (kind === "import-statement") found.add(path);
    }
  }
  const words = outputs.filter(([, { inputs }]) =>
    Object.keys(inputs).some((input) => input.endsWith("words/en.json") && (input.includes(`/${page}/`) || input.includes("/shared/"))),
  );
  return { entry, scripts: [...found], css: cssBundle, words: words.map(([file]) => file) };
}

async function pageOf(page, files) {
  const template = await readFile(join(HERE, "src", page, "index.html"), "utf8");
  const preloads = files.scripts.slice(1).map((file) => `<link rel="modulepreload" href="${PUBLIC}${basename(file)}">`);
  return template
    .replace("<!-- preloads -->", preloads.join("\n    "))
    .replace("{{script}}", PUBLIC + basename(files.entry))
    .replace("{{style}}", PUBLIC + basename(files.css));
}

function gzipped(files, outputs) {
  const bytes = files.map((file) => gzipSync(outputs.get(file), { level: 9 }).length);
  return bytes.reduce((sum, each) => sum + each, 0) / 1000;
}

/** Build everything, then write it: a build that fails leaves the folder as it is. */
async function build(folder) {
  const workers = await buildWorkers();
  const pages = await buildPages(workers);
  const outputs = new Map();
  for (const { path, contents } of [...workers.files, ...pages.outputFiles]) {
    outputs.set(relative(HERE, path), contents);
  }
  const assets = new Map([...outputs].map(([path, contents]) => [basename(path), contents]));
  const files = new Map();
  const sizes = {};
  for (const page of PAGES) {
    const initial = initialFiles(page, pages.metafile);
    files.set(`${page}.html`, await pageOf(page, initial));
    const js = gzipped([...initial.scripts, ...initial.words], outputs);
    sizes[page] = { js: Number(js.toFixed(1)), css: Number(gzipped([initial.css], outputs).toFixed(1)) };
  }
  files.set("pages.css", await styleSheet());
  files.set("icon.svg", await readFile(join(HERE, "src", "shared", "icon.svg")));
  const manifest = `${JSON.stringify({ assets: [...assets.keys()].sort(), sizes }, null, 2)}\n`;
  await publish(folder, { assets, files, manifest });
  return sizes;
}

function report(sizes) {
  let within = true;
  for (const [page, { js, css }] of Object.entries(sizes)) {
    const budget = BUDGETS[page];
    console.log(`${page.padEnd(8)} ${js} kB of ${budget.js} kB JavaScript, ${css} kB of ${budget.css} kB CSS (gzip)`);
    within &&= js <= budget.js && css <= budget.css;
  }
  return within;
}

const [target] = process.argv.slice(2).filter((each) => !each.startsWith("--"));
const folder = target ?? join(HERE, "dist");
if (!report(await build(folder))) {
  console.error("A page is larger than its budget.");
  process.exitCode = 1;
}
if (process.argv.includes("--watch")) {
  const { watch } = await import("node:fs/promises");
  for await (const _ of watch(join(HERE, "src"), { recursive: true })) {
    try {
      report(await build(folder));
    } catch (error) {
      console.error(error.message);
    }
  }
}
