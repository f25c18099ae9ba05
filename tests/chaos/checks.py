"""Check the log and the read models, reading only items of DynamoDB and values of Redis.

Import none of the code under test: the fold is written a second time here.
"""

import json
import zlib
from collections import Counter, defaultdict
from typing import Any

from tests.chaos.system import System

Item = dict[str, Any]
Events = list[dict[str, Any]]


async def log_of(system: System, service: str) -> dict[str, list[Item]]:
    """Return the items of each stream in order."""
    streams: dict[str, list[Item]] = defaultdict(list)
    request: dict[str, Any] = {
        "TableName": f"{system.name}-{service}-events",
        "ConsistentRead": True,
    }
    while True:
        page = await system.dynamodb.scan(**request)
        for item in page["Items"]:
            streams[item["p"]["S"]].append(item)
        if "LastEvaluatedKey" not in page:
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    for items in streams.values():
        items.sort(key=lambda item: int(item["s"]["N"]))
    return streams


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


async def check_acknowledged(system: System, acknowledged: dict[str, str]) -> None:
    """Check that each account was opened once, and that the invites service registered it once."""
    referrals, invites = await log_of(system, "referrals"), await log_of(system, "invites")
    check_log(referrals)
    check_log(invites)
    for sub, email in acknowledged.items():
        opened = [
            e["d"] for e in events_of(referrals[f"member-{sub}"]) if e["t"] == "AccountOpened"
        ]
        assert [event["email"] for event in opened] == [email], sub
        registered = [e["t"] for e in events_of(invites[f"inviter-{sub}"])]
        assert registered == ["InviterRegistered"], sub


async def check_read_models(system: System) -> None:
    """Check that the documents and entries are exactly the folds of the log."""
    streams = await log_of(system, "referrals")
    members = {stream: entry_of(events_of(items)) for stream, items in streams.items()}
    codes = {
        event["d"]["code"]: stream
        for stream, items in streams.items()
        for event in events_of(items)
        if event["t"] == "CodeIssued"
    }
    control = await system.redis.hgetall("{referrals}:generations")
    serving = {name.decode(): value.decode().split(".")[0] for name, value in control.items()}
    prefix = f"referrals:{{members:{serving['members']}:"
    found: dict[str, Any] = {}
    async for key in system.redis.scan_iter(match=f"{prefix}*", count=1000):
        body, version = await system.redis.hmget(key, "d", "v")
        stream = key.decode().removeprefix(prefix).rstrip("}")
        assert int(version) == len(events_of(streams[stream])), stream
        found[stream] = json.loads(body)
    assert found == members
    entries = await system.redis.hgetall(f"referrals:{{codes:{serving['codes']}}}:entries")
    assert {code.decode(): stream.decode() for code, stream in entries.items()} == codes


def entry_of(events: Events) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for event in events:
        payload = event["d"]
        if event["t"] == "AccountOpened":
            total = payload["totalReferrals"]
            entry = {
                "user": payload["email"],
                "referralCode": None,
                "referrals": [],
                "totalReferrals": total,
                "referralsUsed": 0,
                "referralsPending": 0,
                "referralsRemaining": total,
                "referralIsValid": False,
                "codes": [],
            }
        elif event["t"] == "CodeIssued":
            code = f"{payload['code'][:5]}-{payload['code'][5:]}"
            entry |= {"referralCode": code, "referralIsValid": True, "codes": [code]}
    return entry


async def waiting(system: System) -> dict[str, int]:
    """Count messages that are queued or being handled, except dead letters."""
    return {name: n for name, n in (await _queues(system)).items() if n and "-dlq" not in name}


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
