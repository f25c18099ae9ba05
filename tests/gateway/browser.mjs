// Run the scripts of docs/api in one process. Read one script per line (as JSON), run it as a module,
// and write its output and the head of the last response that its fetch got. Values are printed as
// JSON.

import { createInterface } from "node:readline";

const originalFetch = globalThis.fetch;
let printed, head;

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
console.log = (...values) => (printed += `${values.map(text).join(" ")}\n`);

globalThis.fetch = async (...request) => {
  const response = await originalFetch(...request);
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  head = [`HTTP/1.1 ${response.status} ${response.statusText}`, ...headers].join("\n");
  return response;
};

let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  let error = null;
  [printed, head, count] = ["", "", count + 1];
  try {
    const script = `${JSON.parse(line)}\n// ${count}: the same script may run again`;
    await import(`data:text/javascript;base64,${Buffer.from(script).toString("base64")}`);
  } catch (failure) {
    error = String(failure?.stack ?? failure);
  }
  process.stdout.write(`${JSON.stringify({ printed, head, error })}\n`);
}
