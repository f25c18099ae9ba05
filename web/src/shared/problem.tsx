// Show a refused request: what happened, what to do, and when it can be repeated.

import { useEffect, useState } from "preact/hooks";
import { Refusal } from "./api";
import { say } from "./texts";

interface ProblemProps {
  readonly error: unknown;
  /** Repeats the request; without it there is no button. */
  readonly retry?: () => void;
}

/** A notice for an error; a refusal with `Retry-After` counts down, and is then repeated by itself. */
export function Problem({ error, retry }: ProblemProps) {
  const refusal = error instanceof Refusal ? error : null;
  const wait = useCountdown(refusal?.retryAfter ?? 0, error, retry);
  if (!error) return null;
  const text = refusal ? (refusal.code === "offline" ? say("unreachable") : refusal.detail || say("failed")) : say("failed");
  return (
    <div class={`notice stack ${refusal && refusal.status < 500 && refusal.status > 0 ? "warn" : "bad"}`} role="alert">
      <p class="break">{text}</p>
      {refusal && refusal.status >= 500 && refusal.status !== 503 && <p class="small">{say("quote", { id: refusal.requestId })}</p>}
      {retry && (
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

/** Count the seconds down to 0, and call `done` once. */
function useCountdown(from: number, restart: unknown, done?: () => void): number {
  const [left, setLeft] = useState(from);
  useEffect(() => setLeft(from), [restart]);
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => {
      setLeft(left - 1);
      if (left === 1) done?.();
    }, 1000);
    return () => clearTimeout(timer);
  }, [left, restart]);
  return left;
}
