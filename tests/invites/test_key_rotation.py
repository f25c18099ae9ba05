"""Rotating INVITES_KEY: suppressed addresses get no mail, and mailed links keep working."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.invites import (
    AcceptInvite,
    RecordFeedback,
    RegisterInviter,
    ResendInvite,
    SendInvite,
    SuppressAddress,
    Unsubscribe,
)
from contracts.tokens import token_digest
from invites.rules import DAY, RULES
from invites.settings import Settings
from invites.tokens import Tokens
from redis_batching.connection import connect
from tests.invites.inbox import Inbox
from tests.invites.service import InvitesService, invites_service, invites_settings
from tests.support.redis_server import RedisServer

OLD, NEW, NEWEST = "k" * 32, "key, with a comma " * 3, "n" * 32
SPELLINGS = ("pat@gmail.com", "P.at+x@googlemail.com"), ("bob@example.org", "bob+y@example.org")
REASONS = ("unsubscribe", "complained", "bounced", "member")


def rotated(key: str, *earlier: str) -> Settings:
    return Settings.model_validate(
        {
            **invites_settings().model_dump(),
            "invites_key": key,
            "invites_earlier_keys": json.dumps(earlier),
        }
    )


def test_new_digests_and_tokens_are_made_with_the_new_key() -> None:
    before, after = Tokens.from_secrets(OLD), rotated(NEW, OLD).tokens
    alone = Tokens.from_secrets(NEW)
    assert after.address_key("bob@example.org") == alone.address_key("bob@example.org")
    assert after.invite("a", 1) == alone.invite("a", 1)
    assert after.unsubscribe("a") == alone.unsubscribe("a")
    assert after.address_keys("a+b@x.example") == (
        *alone.address_keys("a+b@x.example"), *before.address_keys("a+b@x.example")
    )  # fmt: skip
    assert "k" * 8 not in repr(after)


def test_a_token_that_was_mailed_is_made_again_with_its_key() -> None:
    before, after = Tokens.from_secrets(OLD), rotated(NEW, OLD).tokens
    made = before.invite("a", 1)
    assert after.invite("a", 1, token_digest(made)) == made
    assert after.invite("a", 1, "00" * 32) == after.invite("a", 1) != made
    made = before.unsubscribe("a")
    assert after.unsubscribe("a", token_digest(made)) == made
    assert after.unsubscribe("a", "00" * 32) == after.unsubscribe("a") != made


@pytest.mark.stack
async def test_the_budget_of_a_recipient_survives_a_rotation(redis: Any) -> None:
    async with invites_service(redis) as old:
        for number in range(3):
            await _invite(old, f"inviter{number}", "bob@example.org")
    async with invites_service(redis, rotated(NEW, OLD), old) as new:
        for number in range(3, 9):
            await _invite(new, f"inviter{number}", "bob+x@example.org")
        assert len(new.inbox.mails) == RULES.mails_per_day


async def _invite(service: InvitesService, inviter: str, address: str) -> str | None:
    """Return the id of the invitation, if it was admitted."""
    await service.do(RegisterInviter(member_id=inviter, email=f"{inviter}@example.com"))
    await service.do(SendInvite(inviter_id=inviter, email=address))
    last = (await service.store.load(f"inviter-{inviter}")).events[-1]
    return getattr(last, "invite_id", None)


Kind = Literal["invite", "suppress", "tend", "rotate"]


class Step(NamedTuple):
    """Describe what happens next."""

    kind: Kind
    person: int
    choice: int
    by_old_process: bool


@dataclass
class Scene:
    """Invite, suppress and rotate in any order, as `docs/operations.md` says: in two deployments.

    While a deployment runs, processes with the old settings and with the new ones work next to each
    other, so each step is done by either.
    """

    redis: Any
    keys: tuple[str, ...] = (OLD,)
    """The key and the earlier ones."""
    keys_before: tuple[str, ...] = (OLD,)
    """The keys of processes that are not replaced yet."""
    suppressed: dict[int, int] = field(default_factory=dict)
    """Person -> number of mails at that time."""
    invitations: dict[str, int] = field(default_factory=dict)
    """Id -> person."""
    resent: dict[str, int] = field(default_factory=dict)
    """Id -> number of the first mail with the valid link."""
    last: InvitesService | None = None

    @property
    def inbox(self) -> Inbox:
        return Inbox() if self.last is None else self.last.inbox

    @contextlib.asynccontextmanager
    async def running(self, keys: tuple[str, ...]) -> AsyncIterator[InvitesService]:
        """Start a process with these keys."""
        async with invites_service(self.redis, rotated(*keys), self.last) as self.last:
            yield self.last

    def mails_to(self, person: int) -> int:
        return sum(self.invitations[tag["invite"]] == person for tag in self.inbox.tags)

    async def step(self, step: Step) -> None:
        if step.kind == "rotate":
            self.keys_before, self.keys = self.keys, self.next_keys()
            return
        async with self.running(self.keys_before if step.by_old_process else self.keys) as service:
            match step.kind:
                case "invite":
                    await self.invite(service, step.person, SPELLINGS[step.person][step.choice % 2])
                case "suppress":
                    await self.suppress(service, step.person, REASONS[step.choice])
                case "tend":
                    await self.tend(service, resend=step.choice % 2 == 1)

    def next_keys(self) -> tuple[str, ...]:
        """Return the keys of the next deployment: a further one is listed, and then used."""
        if len(self.keys) == 1 or self.keys[0] == NEW:
            return (*self.keys, NEW if self.keys == (OLD,) else NEWEST)
        return (self.keys[-1], *self.keys[:-1])

    async def invite(self, service: InvitesService, person: int, address: str) -> None:
        before = self.mails_to(person)
        invite_id = await _invite(service, f"inviter{len(self.invitations)}", address)
        assert invite_id is not None
        self.invitations[invite_id] = person
        if person not in self.suppressed and before < RULES.mails_per_day:
            assert self.mails_to(person) == before + 1

    async def suppress(self, service: InvitesService, person: int, reason: str) -> None:
        tags = self.inbox.tags
        mine = [n for n, tag in enumerate(tags) if self.invitations[tag["invite"]] == person]
        if reason == "member":
            key = service.application.settings.tokens.address_key(SPELLINGS[person][0])
            await service.do(SuppressAddress(address_key=key, reason="member"))
        elif not mine:
            return
        elif reason == "unsubscribe":  # by the link of the oldest mail
            await self.unsubscribe(service, mine[0])
        else:
            report = {"feedback_id": reason, "kind": reason, "permanent": True, "at": 5}
            invite_id = tags[mine[-1]]["invite"]
            await service.do(RecordFeedback.model_validate({"invite_id": invite_id, **report}))
        self.suppressed.setdefault(person, len(mine))

    async def unsubscribe(self, service: InvitesService, mail: int) -> None:
        command = Unsubscribe(
            invite_id=self.inbox.tags[mail]["invite"],
            token_hash=token_digest(self.inbox.unsubscribe_token(mail)),
        )
        assert (await service.do(command)).state == "accepted"

    async def tend(self, service: InvitesService, *, resend: bool) -> None:
        """Let three days pass; reminders become due, or each invitation is sent again."""
        service.at += 3 * DAY + 1
        for number, invite_id in enumerate(self.invitations):
            mails = len(self.inbox.mails)
            command = ResendInvite(invite_id=invite_id, inviter_id=f"inviter{number}")
            if resend and (await service.do(command)).state == "accepted":
                self.resent[invite_id] = mails
            await service.tend(invite_id)

    async def check(self) -> None:
        for person, mails in self.suppressed.items():
            assert self.mails_to(person) == mails
        async with self.running(self.keys) as service:
            for number, tag in enumerate(self.inbox.tags):
                await self.unsubscribe(service, number)
                if number >= self.resent.get(tag["invite"], 0):
                    await self.accept(service, number)

    async def accept(self, service: InvitesService, mail: int) -> None:
        digest = token_digest(self.inbox.token(mail))
        command = AcceptInvite(invite_id=self.inbox.tags[mail]["invite"], token_hash=digest)
        outcome = await service.do(command)
        code = None if outcome.rejection is None else outcome.rejection.code
        assert code in (None, "invite_expired")


KINDS: Final[Sequence[Kind]] = ("invite", "invite", "suppress", "tend", "rotate", "rotate")


@pytest.mark.stack
@settings(max_examples=10)
@example(
    [
        Step("invite", 0, 0, by_old_process=False),
        Step("invite", 1, 0, by_old_process=False),
        Step("suppress", 1, 2, by_old_process=False),  # under the old key
        Step("rotate", 0, 0, by_old_process=False),
        Step("rotate", 0, 0, by_old_process=False),
        Step("tend", 0, 0, by_old_process=False),  # a reminder of a mail from before
        Step("invite", 1, 1, by_old_process=False),
        Step("suppress", 0, 0, by_old_process=False),  # under the new key
        Step("invite", 0, 1, by_old_process=True),
    ]
)
@given(
    st.lists(
        st.builds(
            Step,
            st.sampled_from(KINDS),
            st.integers(0, 1),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=9,
    )
)
def test_no_order_of_rotations_mails_a_suppressed_address_or_breaks_a_link(
    redis_server: RedisServer, steps: list[Step]
) -> None:
    async def run() -> None:
        async with connect(redis_server.url) as redis:
            await redis.flushall()
            scene = Scene(redis)
            for step in steps:
                await scene.step(step)
            await scene.check()

    asyncio.run(run())
