// Tell which steps an invitation has taken, and which are ahead.

import type { InvitationDetails, UsersEntry } from "../../shared/description";

const STEPS = ["requested", "sent", "delivered", "accepted", "joined"] as const;
const ENDS = ["bounced", "failed", "declined", "revoked", "expired", "no_seat"] as const;

export interface Mark {
  readonly what: (typeof STEPS)[number] | (typeof ENDS)[number] | "reserved";
  readonly kind: "reached" | "ended" | "ahead";
  readonly at?: number | undefined;
}

/** Return the steps that have happened, then an end that stopped them or the steps ahead. */
export function marksOf(invitation: InvitationDetails, account: UsersEntry | null): readonly Mark[] {
  const times = timesOf(invitation);
  const reached: Mark[] = STEPS.filter((step) => times.has(step)).map((what) => ({ what, kind: "reached", at: times.get(what) }));
  const seat = seatOf(invitation, account);
  if (seat) reached.push(seat);
  const end = ENDS.find((each) => each === (invitation.seat === "refused" ? "no_seat" : invitation.state));
  if (end) return [...reached, { what: end, kind: "ended", at: times.get(end) }];
  const furthest = seat ? STEPS.length : STEPS.findLastIndex((step) => times.has(step)) + 1;
  return [...reached, ...STEPS.slice(furthest).map((what): Mark => ({ what, kind: "ahead" }))];
}

/** Return when each step was taken last; a mail that could not be sent was not sent. */
function timesOf({ state, timeline }: InvitationDetails): ReadonlyMap<string, number> {
  const attempt = timeline.findLastIndex(({ what }) => what === "resent");
  const happened = timeline.filter(({ what }, index) => state !== "failed" || what !== "sent" || index < attempt);
  return new Map(happened.map(({ what, at }) => [what, at]));
}

/** Return what became of the seat of an accepted invitation, as far as the account says it. */
function seatOf({ seat, useId, timeline }: InvitationDetails, account: UsersEntry | null): Mark | undefined {
  if (seat !== "reserved") return undefined;
  const referral = useId && account?.referrals.find((each) => each.useId === useId);
  if (referral && referral.confirmed) return { what: "joined", kind: "reached", at: referral.timestamp };
  // a seat that no referral of a complete list takes is free again
  if (account && !referral && account.referrals.length >= account.referralsUsed + account.referralsPending) return undefined;
  return { what: "reserved", kind: "reached", at: timeline.findLast(({ what }) => what === "accepted")?.at };
}
