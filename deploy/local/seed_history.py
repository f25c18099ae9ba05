"""Give the demo people a past: accounts, referrals, points and closed days of thirty-two days.

`python -m deploy.local.seed_history` runs the decisions of the services at past times on the stack
that its environment describes.
"""

import asyncio
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from chassis.run.assembly import assemble
from chassis.run.logging import configure
from chassis.run.resources import Resources, open_resources
from chassis.views.read_models import ReadModels
from contracts.messages import Metadata
from contracts.referrals import (
    CodeIssued,
    CreditReferred,
    OpenAccount,
    RedeemReferral,
    ReferralCommand,
)
from contracts.streams import MEMBERS
from deploy.local.past import Clock
from deploy.local.seed_expired import seed_expired
from referrals.app import REFERRALS, Referrals
from referrals.closing import DayCloser
from referrals.settings import Settings

_NAMES: Final = uuid.UUID("5e50d4c9-5a6a-5d7b-8f52-7a7f8f4e6f11")
"""Namespace of the ids of invited people and of commands: seeding again repeats nothing."""
OPENED: Final[Mapping[str, float]] = {
    "bob@example.com": 32, "carol@example.com": 31.5, "dora@example.com": 31,
    "alice@example.com": 29.5,
}  # fmt: skip
"""Member -> days ago on which the account was opened. A referrer of less than a month has earned no
trust yet, so that one of alice's referrals is reviewed."""
INVITED: Final[Mapping[str, Mapping[str, int]]] = {
    "alice@example.com": {
        "anna@home.example": 28, "ben@mail.example": 25, "clara@work.example": 19,
        "david@home.example": 14, "emma@mail.example": 8, "felix@work.example": 3,
        "grace@mailinator.com": 1,
    },
    "bob@example.com": {
        "georg@mail.example": 27, "hanna@home.example": 22, "ivan@work.example": 21,
        "julia@mail.example": 6, "klaus@home.example": 2,
    },
    "carol@example.com": {"lena@work.example": 16, "marco@mail.example": 9},
    "dora@example.com": {
        "nina@home.example": 29, "oskar@mail.example": 24, "paula@work.example": 18,
        "quentin@home.example": 12, "rosa@mail.example": 11, "simon@work.example": 10,
        "tina@home.example": 5, "uwe@mail.example": 4,
    },
}  # fmt: skip
"""Member -> invited person -> days ago. The address of a throw-away mail provider is reviewed."""


@dataclass
class Past:
    """Execute commands of the referrals service at times of the past."""

    referrals: Referrals
    clock: Clock

    async def execute(self, command: ReferralCommand, name: str, days_ago: float) -> None:
        """Execute a command as if it had come that many days ago."""
        self.clock.days_ago = days_ago
        number = _number(name)
        metadata = Metadata(command_id=number, correlation_id=number)
        await self.referrals.handler.execute(command, metadata)

    async def code_of(self, member_id: str) -> str:
        """Return the code that was issued when the account was opened."""
        history = await self.referrals.store.load(MEMBERS.stream(member_id))
        events = [event for commit in history.commits for event in commit.events]
        return next(event.code for event in events if isinstance(event, CodeIssued))

    async def has_account_of_another_past(self, email: str, member_id: str) -> bool:
        """Return whether a person has an account that no seed has opened."""
        commits = (await self.referrals.store.load(MEMBERS.stream(member_id))).commits
        return bool(commits) and commits[0].origin.command_id != _number(f"open {email}")


def _number(name: str) -> str:
    """Return the id of the command with this name: a seed that was interrupted is resumed."""
    return str(uuid.uuid5(_NAMES, name))


async def seed(subjects: Mapping[str, str]) -> int:
    """Seed the past of the members whose ids are given by address; return the closed days.

    What an earlier call has seeded stays; members who have another past get none.
    """
    settings = Settings()
    configure(settings, "seed")
    clock = Clock()
    async with open_resources(settings) as resources, resources.broker as broker:
        await broker.connect()
        past = Past(assemble(REFERRALS, settings, _at(resources, clock)), clock)
        email = "alice@example.com"
        if await past.has_account_of_another_past(email, subjects[email]):
            return 0
        await seed_expired(subjects["alice@example.com"], "alice@example.com")
        await _open_accounts(past, subjects)
        for days, member, person in _referrals():
            await _refer(past, subjects[member], person, days)
        clock.days_ago = 0
        models = ReadModels(resources.redis)
        return await DayCloser(past.referrals.store, past.referrals.handler, models).close()


def _referrals() -> list[tuple[int, str, str]]:
    """Return days ago, member and invited person of all referrals, the earliest first."""
    rows = [
        (days, member, person)
        for member, people in INVITED.items()
        for person, days in people.items()
    ]
    return sorted(rows, reverse=True)


def _at(resources: Resources, clock: Clock) -> Resources:
    return replace(resources, now=clock.context)


async def _open_accounts(past: Past, subjects: Mapping[str, str]) -> None:
    for email, days in OPENED.items():
        command = OpenAccount(member_id=subjects[email], email=email)
        await past.execute(command, f"open {email}", days)


async def _refer(past: Past, referrer: str, person: str, days: float) -> None:
    """Let a person join with a member's code."""
    code, invited = await past.code_of(referrer), str(uuid.uuid5(_NAMES, person))
    await past.execute(OpenAccount(member_id=invited, email=person), f"open {person}", days)
    # in one commit: the running service would expire a reservation of the past at once
    redeem = RedeemReferral(member_id=referrer, code=code, invited_user=person, invited_id=invited)
    await past.execute(redeem, f"redeem {person}", days)
    use_id = past.referrals.settings.referral_ids.use_ids(referrer, person)[0]
    credit = CreditReferred(member_id=invited, referrer_id=referrer, use_id=use_id)
    await past.execute(credit, f"credit {person}", days)


def main() -> None:
    """Seed the members named as `address=id` on the command line."""
    subjects = dict(argument.split("=", 1) for argument in sys.argv[1:])
    print(asyncio.run(seed(subjects)))


if __name__ == "__main__":
    main()
