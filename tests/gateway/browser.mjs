// What the scripts of docs/api run in: one process for all of them, which reads a script a line
// (as JSON), runs it as a module, and answers with what it printed and the head of the last answer
// that its fetch got. Values are printed as JSON.

import { createInterface } from "node:readline";

const ask = globalThis.fetch;
let printed, head;

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
console.log = (...values) => (printed += `${values.map(text).join(" ")}\n`);

globalThis.fetch = async (...request) => {
  const answer = await ask(...request);
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`);
  head = [`HTTP/1.1 ${answer.status} ${answer.statusText}`, ...headers].join("\n");
  return answer;
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
