// Prove work when the API asks for it, which it does while codes are being guessed.

import { Refusal } from "../../shared/api";
import { startWorker } from "../../shared/trusted";

/** Send a request; if it is refused until work is proved, prove it, and send it again. */
export async function proving<Result>(send: (headers: Readonly<Record<string, string>>) => Promise<Result>): Promise<Result> {
  try {
    return await send({});
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "proof_of_work_required") throw error;
    return send({ "X-Proof-Of-Work": await solved(error.body) });
  }
}

function solved({ challenge, bits }: Readonly<Record<string, unknown>>): Promise<string> {
  const worker = startWorker("proof");
  return new Promise<string>((done, fail) => {
    worker.addEventListener("message", ({ data }: MessageEvent<string>) => done(data));
    worker.addEventListener("error", () => fail(new Error("the proof of work could not be computed")));
    worker.postMessage({ challenge, bits });
  }).finally(() => worker.terminate());
}
