// Call the API: types from its description, tokens from the session, errors as `Refusal`.

import { ID_TOKEN, type Accepted, type Operations, PUBLIC, WAITING } from "./description";
import { session } from "./session";

export type Operation = keyof Operations;

type Result<O extends Operation> = O extends `GET ${string}`
  ? Operations[O]["answer"]
  : [Exclude<Operations[O]["answer"], Accepted>] extends [never]
    ? Operations[O]["answer"]
    : Exclude<Operations[O]["answer"], Accepted>;

type Given<Name extends string, Value> = Value extends undefined ? unknown : { [Key in Name]: Value };
type Query<Value> = Value extends undefined ? unknown : object extends Value ? { query?: Value } : { query: Value };

export type Request<O extends Operation> = Given<"path", Operations[O]["path"]> &
  Query<Operations[O]["query"]> &
  (Operations[O]["body"] extends undefined ? unknown : { body?: Operations[O]["body"] }) & {
    /** Sent instead of `body`, such as a file that the user has chosen. */
    file?: Blob;
    /** Repeat with the same key, and the request is executed once. Default: a new key. */
    key?: string;
    /** Sign a public operation with the ID token, if there is one. */
    signed?: boolean;
    headers?: Readonly<Record<string, string>>;
    signal?: AbortSignal;
  };

export interface FieldError {
  readonly field: string;
  readonly detail: string;
}

/** An error response, or no response at all (`status` 0, `code` "offline"). */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: readonly FieldError[] = [],
    /** Seconds after which the request can be repeated; 0 if unknown. */
    readonly retryAfter = 0,
    readonly requestId = "",
    readonly body: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }
}

export interface Received<Data> {
  readonly data: Data;
  readonly status: number;
  readonly headers: Headers;
}

const PENDING_TRIES = 30;
let position = "";

/** Send a request, and return what the response contains. Raises `Refusal`. */
export async function call<O extends Operation>(operation: O, request: Request<O>): Promise<Result<O>> {
  return (await receive(operation, request)).data;
}

/** Send a request, and return the response with its status and headers. Raises `Refusal`. */
export async function receive<O extends Operation>(operation: O, request: Request<O>): Promise<Received<Result<O>>> {
  const response = await completed(operation, request);
  const type = response.headers.get("Content-Type") ?? "";
  const data = type.includes("json") ? await response.json() : response.status === 204 ? undefined : await response.text();
  return { data: data as Result<O>, status: response.status, headers: response.headers };
}

/** Return the response to a request that is not read as JSON, such as an event stream. */
export async function open(operation: Operation, address: string, headers: Headers, signal?: AbortSignal): Promise<Response> {
  return send(operation, address, { headers, ...(signal && { signal }) });
}

/** Return the path of an operation, with its parameters. */
export function addressOf(operation: Operation, path: object = {}, query: object = {}): string {
  const template = operation.slice(operation.indexOf(" ") + 1);
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String((path as Record<string, unknown>)[name])));
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  return parameters.size > 0 ? `${filled}?${parameters}` : filled;
}

/** Repeat a write that is still being processed, with its key, until its result is known. */
async function completed<O extends Operation>(operation: O, request: Request<O>): Promise<Response> {
  const options = request as { path?: object; query?: object; body?: unknown; file?: Blob; signal?: AbortSignal };
  const address = addressOf(operation, options.path, options.query);
  const init = initOf(operation, request);
  for (let tries = 1; ; tries += 1) {
    const response = await send(operation, address, init, request.signed);
    if (!isPending(operation, address, response) || tries === PENDING_TRIES) return response;
    await seconds(Number(response.headers.get("Retry-After")) || 1, options.signal);
  }
}

/** Return whether the result of a write is not known yet; without a token, the response leads to the write itself. */
function isPending(operation: Operation, address: string, response: Response): boolean {
  const place = response.headers.get("Location") ?? "";
  const isWrite = !operation.startsWith("GET ");
  return response.status === 202 && (place.startsWith("/v1/operations/") || (isWrite && place === address));
}

function initOf(operation: Operation, request: { body?: unknown; file?: Blob; key?: string; headers?: Readonly<Record<string, string>>; signal?: AbortSignal }): RequestInit & { headers: Headers } {
  const headers = new Headers(request.headers);
  const method = operation.slice(0, operation.indexOf(" "));
  if (method !== "GET") headers.set("Idempotency-Key", request.key ?? crypto.randomUUID());
  if (WAITING.has(operation) && position) headers.set("X-Min-Position", position);
  const init: RequestInit & { headers: Headers } = { method, headers };
  if (request.signal) init.signal = request.signal;
  if (request.file) {
    init.body = request.file;
    headers.set("Content-Type", request.file.type || "text/csv");
  } else if (request.body !== undefined) {
    init.body = JSON.stringify(request.body);
    headers.set("Content-Type", "application/json");
  }
  return init;
}

/** Send with the token that the operation needs; an expired one is renewed once. Raises `Refusal`. */
async function send(operation: Operation, address: string, init: RequestInit & { headers: Headers }, signed = false): Promise<Response> {
  const kind = ID_TOKEN.has(operation) || (signed && PUBLIC.has(operation)) ? "id" : PUBLIC.has(operation) ? null : "access";
  for (const isLast of [false, true]) {
    const token = kind && (await session.token(kind));
    // signed in, but the sign-in pages cannot be reached to renew the token
    if (kind && !token && session.state.value === "signed-in") throw new Refusal(0, "offline", "");
    if (token) init.headers.set("Authorization", `Bearer ${token}`);
    const response = await reached(fetch(address, init));
    if (response.ok || response.status === 304) {
      remember(response);
      return response;
    }
    if (response.status !== 403 || !token) throw await refusalOf(response);
    if (isLast || !(await session.renew())) {
      session.ended();
      throw await refusalOf(response);
    }
  }
  throw new Refusal(0, "offline", "");
}

async function reached(sent: Promise<Response>): Promise<Response> {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "offline", "");
  }
}

async function refusalOf(response: Response): Promise<Refusal> {
  const body: Record<string, unknown> = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  return new Refusal(
    response.status,
    String(body["code"] ?? "unknown"),
    String(body["detail"] ?? ""),
    (body["errors"] as readonly FieldError[] | undefined) ?? [],
    retryAfter,
    String(body["request_id"] ?? response.headers.get("X-Request-ID") ?? ""),
    body,
  );
}

/** Keep the position of the caller's last change: later reads wait until they show it. */
function remember(response: Response): void {
  const reported = response.headers.get("X-Position") ?? "";
  if (reported.startsWith("member-") && versionOf(reported) >= versionOf(position)) position = reported;
}

/** Forget whose changes reads have to show, when another person signs in. */
export function forgetPosition(): void {
  position = "";
}

/** Let later reads wait for a position that an event or another tab has reported. */
export function awaitPosition(reported: string): void {
  if (reported.startsWith("member-") && versionOf(reported) >= versionOf(position)) position = reported;
}

/** Return the version in a position, `<stream>@<version>`. */
export function versionOf(reported: string): number {
  return Number(reported.slice(reported.lastIndexOf("@") + 1)) || 0;
}

/** Wait; ends early, with the signal's reason, if `signal` is aborted. */
export function seconds(duration: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, stop) => {
    if (signal?.aborted) return stop(signal.reason);
    const timer = setTimeout(done, duration * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      stop(signal.reason);
    });
  });
}
