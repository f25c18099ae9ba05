// Keep the member's numbers current: one event stream per browser, whose events all tabs share.

import { effect, signal } from "@preact/signals";
import type { InvitationList, UsersEntry } from "../shared/description";
import { seconds, versionOf } from "../shared/api";
import { follow } from "../shared/events";
import { session } from "../shared/session";

/** Points and rank that belong together, at a position of the member's account. */
export interface PointsAndRank {
  readonly points: number;
  readonly pending: number;
  readonly invited: number;
  /** Null for a member who is not ranked, and while `boardPosition` is null: the rank is not known yet. */
  readonly rank: number | null;
  readonly total: number | null;
  readonly position: string;
  readonly boardPosition: string | null;
}

interface Topics {
  account: UsersEntry;
  invitations: InvitationList;
  points: PointsAndRank;
  rank: PointsAndRank;
}

type Message = { readonly topic: keyof Topics; readonly data: unknown } | { readonly open: boolean } | { readonly asks: true };

export const account = signal<UsersEntry | null>(null);
export const invitations = signal<InvitationList | null>(null);
export const pointsAndRank = signal<PointsAndRank | null>(null);
/** Whether some tab of this browser receives events now. */
export const connected = signal(false);
/** Counts the events that may have changed points or ranks, for what is loaded besides. */
export const changes = signal(0);

/** Seconds after which a stream that the server has ended is opened again. */
const AGAIN = 2;
const SIGNALS = { account, invitations, points: pointsAndRank, rank: pointsAndRank } as const;

/** Receive events while someone is signed in, as the tab that has the stream or from that tab. */
export function goLive(): void {
  effect(() => {
    const person = session.subject.value;
    if (!person) return;
    const stopped = new AbortController();
    const channel = new BroadcastChannel(`vouch-live-${person}`);
    channel.addEventListener("message", ({ data }: MessageEvent<Message>) => receive(data));
    channel.postMessage({ asks: true } satisfies Message);
    navigator.locks
      .request(`vouch-live-${person}`, { signal: stopped.signal }, () => lead(channel, stopped.signal))
      .catch(() => undefined);
    return () => {
      stopped.abort();
      channel.close();
      for (const each of Object.values(SIGNALS)) each.value = null;
      connected.value = false;
    };
  });
}

/** Read the stream, and pass on what it says, until the tab is closed or the person signs out. */
async function lead(channel: BroadcastChannel, signal: AbortSignal): Promise<void> {
  const tell = (message: Message) => {
    receive(message);
    if (!signal.aborted) channel.postMessage(message);
  };
  channel.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if ("asks" in data) repeat(channel);
  });
  while (!signal.aborted) {
    await follow("GET /v1/me/events", {
      query: { topics: "account,invitations,points,rank" },
      signal,
      onEvent: ({ event, data }) => tell({ topic: event as keyof Topics, data: JSON.parse(data) }),
      onState: (open) => tell({ open }),
    })
      .then(() => seconds(AGAIN, signal))
      // without an account there is nothing to follow: opening it calls `reconnect`
      .catch(() => new Promise<void>((done) => (reconnect = done)));
  }
}

/** Try the stream again after it was refused, such as before the account was opened. */
export let reconnect: () => void = () => undefined;

function repeat(channel: BroadcastChannel): void {
  for (const [topic, { value }] of Object.entries(SIGNALS)) {
    if (value !== null) channel.postMessage({ topic: topic as keyof Topics, data: value } satisfies Message);
  }
  channel.postMessage({ open: connected.value } satisfies Message);
}

function receive(message: Message): void {
  if ("open" in message) connected.value = message.open;
  if (!("topic" in message)) return;
  if (message.topic === "account") showAccount(message.data as UsersEntry);
  else if (message.topic === "invitations") invitations.value = message.data as InvitationList;
  else if (message.topic in SIGNALS) showPointsAndRank(message.data as PointsAndRank);
}

/** Show an account; the same one again causes nothing. */
export function showAccount(latest: UsersEntry): void {
  if (JSON.stringify(latest) !== JSON.stringify(account.value)) account.value = latest;
}

/** Show points and rank unless newer ones are shown, and let what depends on them be loaded again. */
export function showPointsAndRank(latest: PointsAndRank): void {
  const shown = pointsAndRank.value;
  if (shown && versionOf(latest.position) < versionOf(shown.position)) return;
  pointsAndRank.value = latest;
  if (shown?.position !== latest.position || shown.rank !== latest.rank) changes.value += 1;
}
