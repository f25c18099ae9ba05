// Read server-sent events with a token, and reconnect where the stream broke off.

import { addressOf, open, type Operation, Refusal, seconds } from "./api";

export interface Event {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

type Stream = Extract<Operation, `GET ${string}/events`>;

export interface Follow {
  readonly path?: object;
  readonly query?: object;
  readonly signal: AbortSignal;
  readonly onEvent: (event: Event) => void;
  /** Called with true once the stream is open, and with false whenever it breaks off. */
  readonly onState?: (open: boolean) => void;
}

const LONGEST_PAUSE = 30;
/** Seconds without a sign of life, which comes every fifteen, after which a stream is given up. */
const SILENCE = 40;

/** Follow a stream until the server says that nothing will follow, or `signal` is aborted. Raises `Refusal` for good refusals. */
export async function follow(operation: Stream, options: Follow): Promise<void> {
  let lastEventId = "";
  let pause = 0;
  while (!options.signal.aborted) {
    try {
      const headers = new Headers(lastEventId ? { "Last-Event-ID": lastEventId } : {});
      const silence = new AbortController();
      const response = await open(operation, addressOf(operation, options.path, options.query), headers, AbortSignal.any([options.signal, silence.signal]));
      if (response.status === 204 || !response.body) return;
      options.onState?.(true);
      pause = 0;
      for await (const event of events(response.body, silence)) {
        if (event.id) lastEventId = event.id;
        options.onEvent(event);
      }
    } catch (error) {
      if (options.signal.aborted) return;
      if (error instanceof Refusal && isFinal(error)) throw error;
      pause = Math.max(error instanceof Refusal ? error.retryAfter : 0, Math.min(LONGEST_PAUSE, pause * 2 || 1));
    }
    options.onState?.(false);
    await seconds(pause || 1, options.signal).catch(() => undefined);
  }
}

function isFinal({ status }: Refusal): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

async function* events(body: ReadableStream<Uint8Array>, silence: AbortController): AsyncGenerator<Event> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let text = "";
  for (;;) {
    const timer = setTimeout(() => silence.abort(), 1000 * SILENCE);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const complete = (text + value).split("\n\n");
    text = complete.pop() ?? "";
    for (const each of complete) {
      const event = parsed(each);
      if (event) yield event;
    }
  }
}

function parsed(text: string): Event | null {
  const fields: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
  }
  return fields["data"] === undefined ? null : { id: fields["id"] ?? "", event: fields["event"] ?? "message", data: fields["data"] };
}
