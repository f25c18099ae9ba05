"""Let people and programs use the system through the gateway, and record what they sent.

Each write is repeated under its Idempotency-Key until the gateway has acknowledged it, as clients
do. It names the events by which the log shows that it was executed.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp

from tests.gateway.environment import Issuer

PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5
GIVE_UP_SECONDS = 90
TIMEOUT = aiohttp.ClientTimeout(total=20)
UNSETTLED = {0, 429, 500, 502, 503, 504}
"""Statuses after which a client tries again; 0: the connection broke."""
PER_DAY = {"code": 15, "mail": 8}
"""Kind of write -> how often each member does it, within the limits of the gateway."""
POPULAR = 3
"""Members for whose ten seats many people compete."""
KINDS = {"account": 40, "seat": 24, "confirmation": 12, "code": 10, "quota": 5, "mail": 9}
"""Kind of write -> its share."""


@dataclass(frozen=True)
class Evidence:
    """Name the events of the log that a write causes: exactly one of them, if it is accepted."""

    service: str
    types: tuple[str, ...]
    field: str
    value: str


@dataclass
class Write:
    """Describe a request that changes something, and the last answer to it."""

    kind: str
    method: str
    path: str
    body: dict[str, Any]
    token: str | None
    key: str
    address: str
    evidence: Evidence
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def acknowledged(self) -> bool:
        """Return whether the gateway has promised to execute it, or has executed it."""
        return self.status in (200, 201, 202)

    @property
    def settled(self) -> bool:
        """Return whether the answer is the outcome, not a promise."""
        if self.status in UNSETTLED or self.answer.get("code") == "idempotency_key_in_use":
            return False
        return self.status != 202 or "invite" in self.answer


@dataclass
class Member:
    """Remember a member whose account is known to be open."""

    sub: str
    code: str
    account: dict[str, Any]
    """The account as it was returned when it was opened."""
    quiet: bool
    """True if no later write concerns this member: each read returns the same."""
    limited: Counter[str] = field(default_factory=Counter)
    """Kind of write -> how often the member did it; the gateway limits them per day."""
    totals: list[int] = field(default_factory=lambda: [*range(5, 10), *range(11, 41)])
    """Quotas that were never asked for: to set one that the member has, like 10, adds no event."""


@dataclass
class Activity:
    """Send writes of all kinds from several concurrent clients."""

    url: Callable[[], str]
    issuer: Issuer
    chance: random.Random
    kinds: dict[str, int] = field(default_factory=lambda: dict(KINDS))
    pause: float = 0.0
    """Seconds between two writes of one client."""
    writes: list[Write] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    seats: list[Write] = field(default_factory=list)
    """Accepted reservations that were not confirmed yet."""
    statuses: Counter[int] = field(default_factory=Counter)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: clients finish the write at hand and wait."""
    busy: int = 0
    """Number of clients with a write at hand."""
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def acknowledged(self) -> list[Write]:
        return [write for write in self.writes if write.acknowledged]

    async def run(self) -> None:
        """Send writes until `stopped` is set; finish the last one."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            while not self.stopped.is_set():
                await self.running.wait()
                write = self._next()
                self.writes.append(write)
                self.busy += 1
                try:
                    twice = self.chance.random() < 0.1
                    sending = (self.send(session, write) for _ in range(1 + twice))
                    try:
                        await asyncio.wait_for(asyncio.gather(*sending), GIVE_UP_SECONDS)
                    except TimeoutError:
                        raise AssertionError(f"never acknowledged: {write}") from None
                    self._learn(write)
                finally:
                    self.busy -= 1
                if self.pause:
                    await asyncio.sleep(self.pause)  # the pace of the load; it waits for no event

    async def send(
        self, session: aiohttp.ClientSession, write: Write, *, until_settled: bool = False
    ) -> None:
        """Repeat a write until it is acknowledged or rejected; on demand, until its outcome."""
        pause = PAUSE_SECONDS
        while True:
            status, answer = await self._attempt(session, write)
            self.statuses[status] += 1
            if not write.settled:  # a repetition may still be under way when the first has answered
                write.status, write.answer = status, answer
            if write.settled or (write.acknowledged and not until_settled):
                return
            await asyncio.sleep(pause)  # a client's pause before it tries again
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    def program(self) -> str:
        return self._token("program", "", self.issuer.program)

    def access(self, sub: str) -> str:
        return self._token("access", sub, lambda: self.issuer.access(sub))

    def admin(self) -> str:
        sub = f"admin-{self.chance.randrange(20)}"
        claims = {"cognito:groups": ["admin"]}
        return self._token("admin", sub, lambda: self.issuer.access(sub, **claims))

    def _token(self, kind: str, sub: str, sign: Callable[[], str]) -> str:
        if (kind, sub) not in self._tokens:
            self._tokens[kind, sub] = sign()
        return self._tokens[kind, sub]

    async def _attempt(
        self, session: aiohttp.ClientSession, write: Write
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": write.key, "X-Forwarded-For": write.address}
        if write.token is not None:
            headers["Authorization"] = f"Bearer {write.token}"
        try:
            async with session.request(
                write.method, self.url() + write.path, headers=headers, json=write.body
            ) as response:
                body = await response.read()
                return response.status, json.loads(body) if body else {}
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0, {}

    def _next(self) -> Write:
        """Return a write of a kind for which there are members already."""
        kinds = self.kinds if self._lively() else {"account": 1}
        kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
        if kind == "confirmation" and not self.seats:
            kind = "seat"
        write: Write | None = getattr(self, f"_{kind}")()
        return write or self._account()

    def _lively(self) -> list[Member]:
        return [member for member in self.members if not member.quiet]

    def _member(self) -> Member:
        """Return one of the popular members, or one of the newest."""
        lively = self._lively()
        popular = self.chance.random() < 0.5
        return self.chance.choice(lively[:POPULAR] if popular else lively[-20:])

    def _limited(self, kind: str) -> Member | None:
        """Return a member who may do this once more today."""
        left = [each for each in self._lively() if each.limited[kind] < PER_DAY[kind]]
        if not left:
            return None
        member = self.chance.choice(left[-60:])
        member.limited[kind] += 1
        return member

    def _write(
        self, kind: str, path: str, body: dict[str, Any], token: str | None, evidence: Evidence
    ) -> Write:
        address = ".".join(str(self.chance.randint(1, 250)) for _ in range(4))
        return Write(kind, "POST", path, body, token, self._id(), address, evidence)

    def _id(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    def _account(self) -> Write:
        sub = self._id()
        body = {"sub": sub, "user": f"{sub[:13]}@example.com"}
        evidence = Evidence("referrals", ("AccountOpened",), "memberId", sub)
        return self._write("account", "/v1/users", body, self.program(), evidence)

    def _seat(self) -> Write:
        email = f"{self._id()[:13]}@example.org"
        body = {"referralCode": self._member().code, "user": email}
        evidence = Evidence("referrals", ("ReferralReserved",), "invitedUser", email)
        return self._write("seat", "/v1/referral/uses", body, None, evidence)

    def _confirmation(self) -> Write:
        use_id = self.seats.pop(self.chance.randrange(len(self.seats))).answer["useId"]
        types = ("ReferralConfirmed", "ReferralDelayed", "ReferralHeld", "ReferralRejected")
        path = f"/v1/referral/uses/{use_id}/confirm"
        evidence = Evidence("referrals", types, "useId", use_id)
        return self._write("confirmation", path, {"sub": self._id()}, self.program(), evidence)

    def _code(self) -> Write | None:
        if (member := self._limited("code")) is None:
            return None
        name = f"{self.chance.getrandbits(64):016X}"
        body = {"kind": "vanity", "code": name}
        token = self.access(member.sub)
        evidence = Evidence("referrals", ("CodeIssued",), "shown", name)
        return self._write("code", "/v1/referral/codes", body, token, evidence)

    def _quota(self) -> Write | None:
        member = self._member()
        if not member.totals:
            return None
        reason = f"because of {self._id()}"
        total = member.totals.pop(self.chance.randrange(len(member.totals)))
        body = {"totalReferrals": total, "reason": reason}
        path = f"/v1/admin/members/{member.sub}/quota"
        evidence = Evidence("referrals", ("QuotaGranted",), "reason", reason)
        return self._write("quota", path, body, self.admin(), evidence)

    def _mail(self) -> Write | None:
        if (member := self._limited("mail")) is None:
            return None
        email = f"{self._id()[:13]}@example.net"
        evidence = Evidence("invites", ("InviteAdmitted",), "email", email)
        token = self.access(member.sub)
        return self._write("mail", "/v1/invites", {"email": email}, token, evidence)

    def _learn(self, write: Write) -> None:
        """Remember what later writes and readers can use."""
        if write.kind == "account" and write.status == 201:
            quiet = self.chance.random() < 0.5
            code = write.answer["referralCode"]
            self.members.append(Member(write.body["sub"], code, write.answer, quiet))
        if write.kind == "seat" and write.status == 201:
            self.seats.append(write)


async def settle(activity: Activity, seconds: float = 60) -> None:
    """Repeat each write whose outcome its client does not know yet, until it is known.

    Raises:
        AssertionError: some outcomes are not known in time; the message shows the last answers.
    """
    open_ = [write for write in activity.writes if not write.settled]
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        tasks = [
            asyncio.create_task(activity.send(session, write, until_settled=True))
            for write in open_
        ]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    unsettled = [write for write in open_ if not write.settled]
    assert not unsettled, unsettled
