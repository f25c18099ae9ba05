// Remember the seat that a person has reserved while it signs up and comes back.

import { signal } from "@preact/signals";

export interface Joining {
  readonly useId: string;
  /** The masked address that has to sign up, or the address that the person typed. */
  readonly invited: string;
}

const STORED = "vouch.joining";

/** The token of an invitation, which is never stored: it is in memory until the page is left. */
const invitationToken = signal<string | undefined>(undefined);

export function remember(joining: Joining): void {
  sessionStorage.setItem(STORED, JSON.stringify(joining));
}

export function remembered(): Joining | null {
  return JSON.parse(sessionStorage.getItem(STORED) ?? "null") as Joining | null;
}

export function forget(): void {
  sessionStorage.removeItem(STORED);
}

/** Take the token out of the address, now and when another link is opened in this tab. */
export function takeToken(): void {
  if (location.pathname === "/app/invited" && location.hash.length > 1) {
    invitationToken.value = location.hash.slice(1);
    history.replaceState(null, "", location.pathname);
  }
}

addEventListener("hashchange", takeToken);

export function token(): string | undefined {
  return invitationToken.value;
}
