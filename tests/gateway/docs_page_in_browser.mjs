// Open /docs of a gateway in Chromium; print axe's findings, requests to other hosts, errors of the
// page, and the response that its form for a request shows: in a light narrow and a dark wide window.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [gateway, chromiumPath, packages] = process.argv.slice(2);
const load = createRequire(`${packages}/`);
const { chromium } = load("playwright-core");
const axeSource = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");
const quiet = ["background-networking", "component-update", "sync", "quic", "gpu"];
const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: ["--no-sandbox", "--no-first-run", ...quiet.map((name) => `--disable-${name}`)],
});

const found = { violations: [], elsewhere: [], errors: [], overflowing: [], shown: [] };
for (const [colorScheme, width] of [["light", 390], ["dark", 1400]]) {
  const context = await browser.newContext({ bypassCSP: true, colorScheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== gateway) found.elsewhere.push(request.url());
  });
  page.on("pageerror", (error) => found.errors.push(error.message));
  await page.goto(`${gateway}/docs`);
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => (await axe.run({ resultTypes: ["violations"] })).violations);
  found.violations.push(...violations.map(({ id, impact, nodes }) => [colorScheme, width, id, impact, nodes[0].html]));
  if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) found.overflowing.push(width);
  const article = page.locator("article", { has: page.locator("#get_me") });
  await article.locator("summary").click();
  await article.getByRole("button").click();
  await article.locator("form pre", { hasText: "request_id" }).waitFor();
  found.shown.push((await article.locator("form pre").innerText()).split(" ")[0]);
  await context.close();
}
await browser.close();
console.log(JSON.stringify(found));
