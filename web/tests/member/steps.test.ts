// A step of an invitation counts as taken only if it happened.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { InvitationDetails, UsersEntry } from "../../src/shared/description";
import { marksOf } from "../../src/member/invite/steps";

function shown(state: InvitationDetails["state"], happened: readonly string[], more: Partial<InvitationDetails> = {}, account: Partial<UsersEntry> | null = null): readonly string[] {
  const timeline = happened.map((what, at) => ({ what, at }));
  const marks = marksOf({ state, timeline, ...more } as InvitationDetails, account as UsersEntry | null);
  return marks.filter(({ kind }) => kind !== "ahead").map(({ what }) => what);
}

const ACCEPTED = ["requested", "sent", "delivered", "accepted"];
const RESERVED = { seat: "reserved", useId: "u" } as const;

function accountWith(confirmed: boolean | null): Partial<UsersEntry> {
  const referrals = confirmed === null ? [] : [{ useId: "u", confirmed, timestamp: 50, invitedUser: "" }];
  return { referrals, referralsUsed: Number(confirmed === true), referralsPending: Number(confirmed === false) };
}

test("a mail that could not be sent was not sent", () => {
  assert.deepEqual(shown("failed", ["requested", "sent", "failed"]), ["requested", "failed"]);
});

test("a mail that was sent earlier was sent, also if the next one fails", () => {
  assert.deepEqual(shown("failed", ["requested", "sent", "resent", "sent", "failed"]), ["requested", "sent", "failed"]);
});

test("a mail that bounced was sent", () => {
  assert.deepEqual(shown("bounced", ["requested", "sent", "bounced"]), ["requested", "sent", "bounced"]);
});

test("a delivery that nothing reported is not shown", () => {
  assert.deepEqual(shown("declined", ["requested", "sent", "declined"]), ["requested", "sent", "declined"]);
  assert.deepEqual(shown("accepted", ["requested", "sent", "accepted"], { seat: "pending" }), ["requested", "sent", "accepted"]);
});

test("a person whose seat is confirmed has joined", () => {
  assert.deepEqual(shown("accepted", ACCEPTED, RESERVED, accountWith(true)), [...ACCEPTED, "joined"]);
});

test("a person whose seat is not confirmed has a seat, but has not joined", () => {
  assert.deepEqual(shown("accepted", ACCEPTED, RESERVED, accountWith(false)), [...ACCEPTED, "reserved"]);
  assert.deepEqual(shown("accepted", ACCEPTED, RESERVED), [...ACCEPTED, "reserved"]);
});

test("a seat that is free again is not called reserved", () => {
  assert.deepEqual(shown("accepted", ACCEPTED, RESERVED, accountWith(null)), ACCEPTED);
});

test("the steps ahead follow", () => {
  const marks = marksOf({ state: "sent", timeline: [{ what: "requested", at: 1 }, { what: "sent", at: 2 }] } as unknown as InvitationDetails, null);
  assert.deepEqual(marks.filter(({ kind }) => kind === "ahead").map(({ what }) => what), ["delivered", "accepted", "joined"]);
});
