"""Check the log and the read models, reading only items of DynamoDB and values of Redis.

Import none of the code under test: the fold is written a second time here.
"""

import asyncio
import contextlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import aiohttp

from tests.chaos import fold
from tests.chaos.activity import Activity, Write
from tests.chaos.system import System
from tests.support.eventually import eventually

AVAILABLE_SECONDS = 10
"""Seconds within which a read gets another answer than 503 once no fault is injected."""
MAIL_ENDINGS = {"InviteSent", "SendingFailed"}

Item = dict[str, Any]
Events = list[dict[str, Any]]


async def log_of(system: System, service: str) -> dict[str, list[Item]]:
    """Return the items of each stream in order."""
    streams: dict[str, list[Item]] = defaultdict(list)
    for item in await items_of(system, f"{system.name}-{service}-events"):
        streams[item["p"]["S"]].append(item)
    for items in streams.values():
        items.sort(key=lambda item: int(item["s"]["N"]))
    return streams


async def items_of(system: System, table: str) -> list[Item]:
    """Return every item of a table."""
    items, request = list[Item](), {"TableName": table, "ConsistentRead": True}
    while True:
        page = await system.dynamodb.scan(**request)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def events_of(items: list[Item]) -> Events:
    events: Events = []
    for item in items:
        data = item["e"]["S"] if "S" in item["e"] else zlib.decompress(bytes(item["e"]["B"]))
        events += json.loads(data)
    return events


def check_log(streams: dict[str, list[Item]]) -> None:
    """Check that versions have no gap and that no command was executed twice."""
    for stream, items in streams.items():
        version = 1
        for item in items:
            assert int(item["s"]["N"]) == version, f"{stream} has a gap at {version}"
            version += int(item["n"]["N"])
    commands = Counter(item["c"]["S"] for items in streams.values() for item in items)
    assert not [command for command, times in commands.items() if times > 1]


async def check_writes(system: System, writes: Sequence[Write]) -> None:
    """Check that each accepted write is in the log once, and that no rejected one is.

    Every write must be settled: the answer that its client got last is the outcome.
    """
    logs = {name: await log_of(system, name) for name in system.services}
    for streams in logs.values():
        check_log(streams)
    found: Counter[tuple[str, str, str]] = Counter()
    fields = {(w.evidence.service, w.evidence.field) for w in writes}
    for service, streams in logs.items():
        for event in (event for items in streams.values() for event in events_of(items)):
            for name in (name for owner, name in fields if owner == service):
                found[service, event["t"], f"{name}={event['d'].get(name)}"] += 1
    for write in writes:
        assert write.settled, write
        seen = write.evidence
        times = sum(found[seen.service, kind, f"{seen.field}={seen.value}"] for kind in seen.types)
        assert times == (1 if write.acknowledged else 0), (times, write)


def check_seats(streams: dict[str, list[Item]]) -> None:
    """Check that no seat was given twice, and that no person counts for two members."""

    def free(taken: int, total: int, event: dict[str, Any]) -> None:
        assert taken < total, f"reserved beyond the quota of {total}: {event}"

    confirmed: Counter[str] = Counter()
    for items in streams.values():
        events = events_of(items)
        fold.open_seats(events, free)
        confirmed.update(e["d"]["invitedId"] for e in events if e["t"] == "ReferralConfirmed")
    assert not [person for person, times in confirmed.items() if times > 1]


async def check_announced(system: System) -> None:
    """Check that the invites service has registered each account once."""
    referrals, invites = await log_of(system, "referrals"), await log_of(system, "invites")
    for stream, items in referrals.items():
        if any(event["t"] == "AccountOpened" for event in events_of(items)):
            sub = stream.removeprefix("member-")
            registered = [event["t"] for event in events_of(invites[f"inviter-{sub}"])]
            assert registered.count("InviterRegistered") == 1, (sub, registered)


async def mails_sent(system: System) -> bool:
    """Return whether each invitation that was admitted has been sent, or has ended."""
    for stream, items in (await log_of(system, "invites")).items():
        types = {event["t"] for event in events_of(items)}
        if stream.startswith("invite-") and not types & MAIL_ENDINGS:
            return False
    return True


async def check_mails(system: System, session: aiohttp.ClientSession) -> None:
    """Check that each invited address got one mail, and another only if the log says so."""
    async with session.get(f"{system.stack.settings.aws_url}/_ministack/ses/messages") as response:
        received = Counter(_recipients(await response.json(content_type=None)))
    admitted, known = Counter[str](), Counter[str]()
    for items in (await log_of(system, "invites")).values():
        events = events_of(items)
        admitted.update(e["d"]["email"] for e in events if e["t"] == "InviteAdmitted")
        known.update(e["d"]["email"] for e in events if e["t"] == "InviteRequested")
        requested = [e["d"]["email"] for e in events if e["t"] == "InviteRequested"]
        again = sum(bool(e["d"].get("again")) for e in events if e["t"] == "SendingStarted")
        for email in requested:
            assert 1 <= received[email] <= 1 + again, (email, received[email], events)
    assert admitted == known


def _recipients(messages: Any) -> Iterator[str]:
    if isinstance(messages, dict):
        if "MessageId" in messages:
            yield from messages["To"]
            return
        messages = list(messages.values())
    if isinstance(messages, list):
        for each in messages:
            yield from _recipients(each)


async def check_read_models(system: System) -> None:
    """Check that documents and entries in Redis are exactly the folds of the log."""
    streams = await log_of(system, "referrals")
    folded = {stream: fold.account(events_of(items)) for stream, items in streams.items()}
    members = {stream: document for stream, document in folded.items() if document is not None}
    codes, uses = dict[str, str](), dict[str, str]()
    for stream, items in streams.items():
        for event in events_of(items):
            if event["t"] == "CodeIssued":
                codes[event["d"]["code"]] = stream
            elif event["t"] == "ReferralReserved":
                uses[event["d"]["useId"]] = stream
    control = await system.redis.hgetall("{referrals}:generations")
    serving = {name.decode(): value.decode().split(".")[0] for name, value in control.items()}
    prefix = f"referrals:{{members:{serving['members']}:"
    found: dict[str, Any] = {}
    async for key in system.redis.scan_iter(match=f"{prefix}*", count=1000):
        body, version = await system.redis.hmget(key, "d", "v")
        stream = key.decode().removeprefix(prefix).rstrip("}")
        assert int(version) == len(events_of(streams[stream])), stream
        if body is not None:  # a person who was referred has events before an account
            found[stream] = json.loads(body)
    assert found == members
    for name, expected in (("codes", codes), ("use-owners", uses)):
        entries = await system.redis.hgetall(f"referrals:{{{name}:{serving[name]}}}:entries")
        assert {key.decode(): value.decode() for key, value in entries.items()} == expected, name


async def wrong_reads(
    system: System, activity: Activity, only: Callable[[list[Item]], bool] = lambda _: True
) -> list[str]:
    """Read every member through the gateway; return what differs from the fold of the log.

    `only` chooses streams by their items. A read that is refused with 503 is repeated.
    """
    streams = await log_of(system, "referrals")
    folded = {stream: events_of(items) for stream, items in streams.items() if only(items)}
    accounts = {s: e for s, e in folded.items() if fold.account(e) is not None}
    room, wrong = asyncio.Semaphore(16), list[str]()
    async with aiohttp.ClientSession(system.gateway.url) as session:

        async def read(path: str, sub: str) -> tuple[int, Any]:
            async with room:
                return await read_when_available(session, path, activity.access(sub))

        async def compare(stream: str, events: Events) -> None:
            sub = stream.removeprefix("member-")
            status, body = await read("/v1/me", sub)
            if (status, body) != (200, fold.account(events)):
                wrong.append(f"{stream}: account {status} {body}, not {fold.account(events)}")
            status, body = await read("/v1/points/ledger", sub)
            if (status, body.get("points")) != (200, fold.points(events)):
                wrong.append(f"{stream}: points {status} {body}, not {fold.points(events)}")
            status, body = await read("/v1/referral/codes", sub)
            codes = {row["code"]: row["uses"] for row in body.get("items", ())}
            if (status, codes) != (200, fold.codes(events)):
                wrong.append(f"{stream}: codes {status} {body}, not {fold.codes(events)}")

        await asyncio.gather(*(compare(stream, events) for stream, events in accounts.items()))
    return wrong


async def read_when_available(
    session: aiohttp.ClientSession, path: str, token: str
) -> tuple[int, Any]:
    """Return the status and the body of a read; repeat it while it is refused with 503.

    Clients do the same. This process forwards the connections to Redis: when it pauses, for example
    to collect garbage, the gateway sees an outage, although no fault is injected any more.
    """
    headers, answer = {"Authorization": f"Bearer {token}"}, (503, None)

    async def answered() -> bool:
        nonlocal answer
        async with session.get(path, headers=headers) as response:
            answer = response.status, await response.json(content_type=None)
        return answer[0] != 503

    with contextlib.suppress(AssertionError):  # the last answer is judged
        await eventually(answered, seconds=AVAILABLE_SECONDS)
    return answer


async def waiting(system: System) -> dict[str, int]:
    """Count messages to running services that are queued or being handled, except dead letters."""
    running = tuple(f"{system.name}-{service}-" for service in system.services)
    return {
        name: n
        for name, n in (await _queues(system)).items()
        if n and "-dlq" not in name and name.startswith(running)
    }


async def dead_letters(system: System) -> dict[str, int]:
    return {name: n for name, n in (await _queues(system)).items() if n and "-dlq" in name}


async def _queues(system: System) -> dict[str, int]:
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    listed = await system.sqs.list_queues(QueueNamePrefix=f"{system.name}-")
    found = {}
    for url in listed["QueueUrls"]:
        response = await system.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)
        found[url.rpartition("/")[2]] = sum(int(response["Attributes"][name]) for name in counts)
    return found
