// Show a refused request: what happened, what to do, and when it can be repeated.

import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal } from "./api";
import { say } from "./texts";
import { language } from "./words";

interface ProblemProps {
  readonly error: unknown;
  /** Repeats the request, if that can succeed; without it there is no button. */
  readonly retry?: () => void;
}

/** Seconds after which a request that reached no server is repeated. */
const UNREACHABLE_SECONDS = 5;
/** A longer wait is not counted down: the notice says when the request is allowed again. */
const MOST_SECONDS = 120;

/** A notice for an error; one that passes soon counts down, and the request is then repeated by itself. */
export function Problem({ error, retry }: ProblemProps) {
  const refusal = error instanceof Refusal ? error : null;
  const isRepeatable = retry !== undefined && isPassing(error);
  const wait = useCountdown(isRepeatable ? waitOf(refusal) : 0, error, retry);
  if (!error) return null;
  const said = refusal ? wording(refusal) : { text: say("failed") };
  return (
    <div class={`notice stack ${refusal && refusal.status < 500 && refusal.status > 0 ? "warn" : "bad"}`} role="alert">
      <p class="break" lang={said.lang}>
        {said.text}
      </p>
      {refusal && refusal.status >= 500 && refusal.status !== 503 && <p class="small">{say("quote", { id: refusal.requestId })}</p>}
      {isRepeatable && (
        <div class="row">
          <button onClick={retry} disabled={wait > 0}>
            {say("again")}
          </button>
          {wait > 0 && <span class="small">{say("busy", { seconds: wait })}</span>}
        </div>
      )}
    </div>
  );
}

/** Return whether repeating a request can succeed: it was refused for now, or reached no server. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof Refusal) || error.status === 0 || error.status === 429 || error.status >= 500 || error.retryAfter > 0;
}

function waitOf(refusal: Refusal | null): number {
  if (!refusal) return 0;
  if (refusal.status === 0) return UNREACHABLE_SECONDS;
  return refusal.retryAfter <= MOST_SECONDS ? refusal.retryAfter : 0;
}

/** Say what happened in the reader's language where it follows from the code or the status; else in the API's English. */
function wording({ code, status, detail }: Refusal): { readonly text: string; readonly lang?: "en" } {
  if (code === "offline") return { text: say("unreachable") };
  if (detail && language.value === "en") return { text: detail };
  const key = `problem_${code}`;
  const text = say(key as Parameters<typeof say>[0]);
  if (text !== key) return { text };
  if (status === 429) return { text: say("problem_429") };
  if (status === 503) return { text: say("problem_503") };
  return status >= 500 || !detail ? { text: say("failed") } : { text: detail, lang: "en" };
}

/** Count the seconds down to 0, and call `done` once: then, or as soon as the network is back. */
function useCountdown(from: number, restart: unknown, done?: () => void): number {
  const [left, setLeft] = useState(from);
  const latest = useRef(done);
  latest.current = done;
  useEffect(() => {
    setLeft(from);
    if (from <= 0) return;
    const end = performance.now() + 1000 * from;
    const finish = () => {
      stop();
      setLeft(0);
      latest.current?.();
    };
    const timer = setInterval(() => {
      const remaining = Math.ceil((end - performance.now()) / 1000);
      if (remaining <= 0) finish();
      else setLeft(remaining);
    }, 250);
    addEventListener("online", finish);
    function stop(): void {
      clearInterval(timer);
      removeEventListener("online", finish);
    }
    return stop;
  }, [restart]);
  return left;
}
