// Sign in with the hosted pages (authorization code with PKCE), and hold the tokens in memory.

import { computed, signal } from "@preact/signals";
import { config } from "./config";

const REFRESH = "vouch.refresh";
const STARTED = "vouch.sign-in";
const CALLBACK = "/app/signed-in";
/** Seconds before its end at which a token is renewed. */
const EARLY = 60;
/** Milliseconds after which a tab that no other has answered is shown as signed out. */
const PATIENCE = 150;

interface Tokens {
  readonly access: string;
  readonly id: string;
  /** In milliseconds of `performance.now()`, which no change of the clock affects. */
  readonly expires: number;
}

interface Started {
  readonly state: string;
  readonly verifier: string;
  readonly returnTo: string;
}

export type SessionState = "starting" | "signed-out" | "signed-in";

const tokens = signal<Tokens | null>(null);
const state = signal<SessionState>("starting");
const others = new BroadcastChannel("vouch-session");
let renewal: Promise<boolean> | undefined;

/** Claims of the ID token; the gateway verifies tokens, the page only shows what they say. */
const claims = computed<Readonly<Record<string, unknown>>>(() => (tokens.value ? decoded(tokens.value.id) : {}));

export const session = {
  state: computed(() => state.value),
  email: computed(() => String(claims.value["email"] ?? "")),
  subject: computed(() => String(claims.value["sub"] ?? "")),

  /** Restore the session of this tab or of another one, or complete a sign-in. Returns the path to show. */
  async start(): Promise<string> {
    others.addEventListener("message", answerOthers);
    const here = location.pathname + location.search;
    if (location.pathname === CALLBACK) {
      const returnTo = await completeSignIn();
      history.replaceState(null, "", returnTo);
      return returnTo;
    }
    if (!refreshToken()) await askOthers();
    if (refreshToken()) await session.renew();
    else state.value = "signed-out";
    return here;
  },

  /** Leave for the sign-in page, and return to `returnTo` afterwards. */
  async signIn(returnTo: string = location.pathname + location.search, page: "authorize" | "signup" = "authorize"): Promise<void> {
    const { signInOrigin, clientId } = await config();
    const started: Started = { state: random(), verifier: random(), returnTo };
    sessionStorage.setItem(STARTED, JSON.stringify(started));
    const parameters = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: location.origin + CALLBACK,
      scope: "openid email",
      state: started.state,
      code_challenge: await challenge(started.verifier),
      code_challenge_method: "S256",
      lang: document.documentElement.lang,
    });
    location.assign(`${signInOrigin}/${page === "signup" ? "signup" : "oauth2/authorize"}?${parameters}`);
  },

  /** Revoke the session, in all tabs, and sign out of the hosted pages. */
  async signOut(): Promise<void> {
    const { signInOrigin, clientId } = await config();
    const token = refreshToken();
    session.ended();
    others.postMessage({ signedOut: true });
    const body = new URLSearchParams({ token: token ?? "", client_id: clientId });
    await fetch(`${signInOrigin}/oauth2/revoke`, { method: "POST", body }).catch(() => undefined);
    const parameters = new URLSearchParams({ client_id: clientId, logout_uri: `${location.origin}/app/` });
    location.assign(`${signInOrigin}/logout?${parameters}`);
  },

  /** Return a token that is valid for the next minute; null without a session. */
  async token(kind: "access" | "id"): Promise<string | null> {
    const current = tokens.value;
    if (current && current.expires > performance.now()) return current[kind];
    return refreshToken() && (await session.renew()) ? (tokens.value?.[kind] ?? null) : null;
  },

  /** Exchange the refresh token for new tokens; returns whether there are some. */
  renew(): Promise<boolean> {
    renewal ??= renewed().finally(() => (renewal = undefined));
    return renewal;
  },

  /** Forget the session, without a network request. */
  ended(): void {
    sessionStorage.removeItem(REFRESH);
    tokens.value = null;
    state.value = "signed-out";
  },
};

async function completeSignIn(): Promise<string> {
  const parameters = new URLSearchParams(location.search);
  const started = JSON.parse(sessionStorage.getItem(STARTED) ?? "null") as Started | null;
  sessionStorage.removeItem(STARTED);
  const code = parameters.get("code");
  if (!started || !code || parameters.get("state") !== started.state) {
    if (refreshToken()) await session.renew();
    else state.value = "signed-out";
    return started?.returnTo ?? "/app/";
  }
  history.replaceState(null, "", "/app/");
  await exchange({ grant_type: "authorization_code", code, redirect_uri: location.origin + CALLBACK, code_verifier: started.verifier });
  return started.returnTo;
}

async function renewed(): Promise<boolean> {
  const token = refreshToken();
  return token !== null && exchange({ grant_type: "refresh_token", refresh_token: token });
}

/** Ask for tokens. A refusal ends the session; without a network it is kept for later. */
async function exchange(grant: Readonly<Record<string, string>>): Promise<boolean> {
  try {
    const { signInOrigin, clientId } = await config();
    const body = new URLSearchParams({ ...grant, client_id: clientId });
    const response = await fetch(`${signInOrigin}/oauth2/token`, { method: "POST", body });
    if (response.ok) {
      accept((await response.json()) as Record<string, unknown>);
      return true;
    }
    if (response.status < 500) session.ended();
  } catch {
    if (state.value === "starting") state.value = refreshToken() ? "signed-in" : "signed-out";
  }
  return false;
}

function accept(received: Record<string, unknown>): void {
  if (typeof received["refresh_token"] === "string") keep(received["refresh_token"]);
  const lifetime = Number(received["expires_in"]) || 300;
  tokens.value = {
    access: String(received["access_token"]),
    id: String(received["id_token"]),
    expires: performance.now() + 1000 * Math.max(lifetime - EARLY, lifetime / 2),
  };
  state.value = "signed-in";
}

function refreshToken(): string | null {
  return sessionStorage.getItem(REFRESH);
}

function keep(token: string | null): void {
  if (token) sessionStorage.setItem(REFRESH, token);
}

/** Ask other tabs of this origin for their session, which never leaves the browser; the answer of a busy tab may be late. */
function askOthers(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, PATIENCE);
    const adopt = ({ data }: MessageEvent): void => {
      if (typeof data?.refresh !== "string") return;
      others.removeEventListener("message", adopt);
      keep(data.refresh);
      if (state.value === "signed-out") void session.renew();
      done();
    };
    others.addEventListener("message", adopt);
    others.postMessage({ asks: true });
  });
}

function answerOthers({ data }: MessageEvent): void {
  if (data?.asks && refreshToken() && state.value === "signed-in") others.postMessage({ refresh: refreshToken() });
  if (data?.signedOut) session.ended();
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challenge(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decoded(token: string): Readonly<Record<string, unknown>> {
  const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
  try {
    const bytes = Uint8Array.from(atob(payload), (each) => each.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
