"""The story of one member, played over HTTP; every answer is checked, every trace is shown."""

import base64
import http.client
import json
import secrets
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from contracts.referral_code import from_entropy, shown
from deploy.local.background import DidNotStart, stack
from deploy.local.chain import TOKEN
from deploy.local.people import People
from deploy.local.provision import client, read_environment, wait_for
from deploy.local.settings import HOST, LocalSettings

JSON = {"Content-Type": "application/json"}


class WrongAnswer(Exception):
    """The story did not go as it should."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Door:
    """The gateway, from outside; tells each step and insists on its answer."""

    port: int
    steps: int = field(default=0)

    def call(
        self,
        story: str,
        expected: int,
        request: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        method, path = request.split(" ")
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent |= JSON
        answer = self._ask(method, path, sent, None if body is None else json.dumps(body))
        self.steps += 1
        print(f"{self.steps:>2}. {story}\n      {request} -> {answer.status}  {_short(answer)}")
        insist(f"{request} answers {expected}", answer.status == expected, answer.body)
        return answer

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None) -> Answer:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            reply = connection.getresponse()
            return Answer(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()


def demo(settings: LocalSettings, *, keep: bool) -> int:
    """Play the story; 0 if every answer was the right one."""
    try:
        with stack(settings, keep=keep) as started:
            play(started)
    except (DidNotStart, TimeoutError) as reason:
        print(reason, file=sys.stderr)
        return 1
    except WrongAnswer as wrong:
        print(f"\nthe story went wrong: {wrong}", file=sys.stderr)
        return 1
    if keep:
        print("the stack is still up; `make down` stops it")
    return 0


def play(settings: LocalSettings) -> None:
    environment = read_environment(settings.service_env)
    people, door = People.of(environment), Door(settings.gateway_port)
    email = f"demo-{secrets.token_hex(4)}@example.com"
    print(
        f"\n{email} signs up, confirms the address and signs in, all with the user pool itself.\n"
    )
    token = people.token(email)

    _at_the_door(door, token)
    entry, stream = _opens_an_account(door, token)
    _looks_up_codes(door, entry["referralCode"])
    _a_program_opens_one(door, people.service_token())
    _shows_the_traces(settings, stream, entry)
    _a_friend_comes(door, people, entry["referralCode"], email)
    _a_token_is_looked_at(door, people.token(email, "access"))


def _at_the_door(door: Door, token: str) -> None:
    no = door.call("Without a token there is no way in.", 403, "GET /v1/me")
    insist("the body says so", no.json()["status_code"] == http.client.FORBIDDEN, no.body)
    forged = token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBB")
    door.call("A token with another signature is none.", 403, "GET /v1/me", token=forged)
    door.call("Signed in, but not a member yet.", 404, "GET /v1/me", token=token)


def _opens_an_account(door: Door, token: str) -> tuple[dict[str, Any], str]:
    once = {"Idempotency-Key": str(uuid.uuid4())}
    first = door.call(
        "The account is opened: a command goes over SQS, its outcome comes back.",
        201, "POST /v1/me", token=token, headers=once,
    )  # fmt: skip
    again = door.call(
        "The same request again, as a phone does after a bad connection.",
        201, "POST /v1/me", token=token, headers=once,
    )  # fmt: skip
    insist("the answer is the same", again.body == first.body, again.body)
    door.call("Another request to open it is refused.", 409, "POST /v1/me", token=token)
    me = door.call("The member's entry, as Redis holds it.", 200, "GET /v1/me", token=token)
    insist("it is what was answered before", me.json() == first.json(), me.body)
    return me.json(), _stream(token)


def _looks_up_codes(door: Door, code: str) -> None:
    path = "GET /v1/referral/valid?referral_code="
    good = door.call("Anyone may ask whether the code can be used.", 200, path + code)
    insist("it can", good.json() == {"valid": True}, good.body)
    unknown = shown(from_entropy(secrets.token_bytes(6)))
    strange = door.call("A code that nobody has.", 200, path + unknown)
    insist("it cannot", strange.json() == {"valid": False}, strange.body)
    typo = code[:-1] + ("2" if code[-1] != "2" else "3")
    door.call("A typing error is told before anything is looked up.", 400, path + typo)


def _a_program_opens_one(door: Door, token: str) -> None:
    sub = f"imported-{secrets.token_hex(4)}"
    door.call(
        "A program with the scope vouch/users.write opens an account for somebody.",
        201, "POST /v1/users", token=token, body={"sub": sub, "user": f"{sub}@example.com"},
    )  # fmt: skip
    door.call(
        "What is malformed is refused at the door.",
        422, "POST /v1/users", token=token, body={"sub": sub, "user": "no address"},
    )  # fmt: skip


def _a_friend_comes(door: Door, people: People, code: str, referrer: str) -> None:
    """Reserve before sign-up, confirm after: a hundred points, and a place on the board."""
    friend = f"friend-{secrets.token_hex(4)}@example.com"
    body = {"referralCode": code, "user": friend}
    held = door.call(
        "A friend uses the code: a seat is held.", 201, "POST /v1/referral/uses", body=body
    )
    again = door.call("Again, which is the same.", 201, "POST /v1/referral/uses", body=body)
    insist("nothing has changed", again.body == held.body, again.body)
    path = f"/v1/referral/uses/{held.json()['useId']}/confirm"
    taken = door.call(
        "The friend has signed up and takes the seat.",
        200, f"POST {path}", token=people.token(friend), body={},
    )  # fmt: skip
    insist("it is confirmed", taken.json() == {"state": "confirmed"}, taken.body)
    token = people.token(referrer, "access")
    stats = door.call("The referrer's numbers.", 200, "GET /v1/referral/stats", token=token)
    insist("a hundred points", stats.json()["points"] == 100, stats.body)  # noqa: PLR2004  the rule
    ledger = door.call(
        "Why: every entry names its cause.", 200, "GET /v1/points/ledger", token=token
    )
    insist("one entry", len(ledger.json()["items"]) == 1, ledger.body)
    board = door.call(
        "The board, names masked.", 200, "GET /v1/leaderboard?around=me&limit=3", token=token
    )
    insist("a first place", board.json()["me"]["rank"] == 1, board.body)
    issue = {"kind": "vanity", "code": f"DEMO{secrets.token_hex(2)}"}
    named = door.call(
        "A code by a name of one's own.", 201, "POST /v1/referral/codes", token=token, body=issue
    )
    door.call("It ends.", 204, f"DELETE /v1/referral/codes/{named.json()['code']}", token=token)


def _a_token_is_looked_at(door: Door, token: str) -> None:
    path = f"/v1/tokens/cluster/local/{TOKEN}"
    queued = door.call(
        "Which wallets hold this token together? Nobody has asked yet, so it is queued.",
        202, f"GET {path}", token=token,
    ).json()  # fmt: skip
    insist(
        "the sentence is the API's", "was queued for cluster analysis" in queued["detail"], queued
    )
    job = door.call(
        "The job, asked once and answered at its end.",
        200, f"GET /v1/jobs/{queued['job']['id']}", token=token, headers={"Prefer": "wait=25"},
    ).json()  # fmt: skip
    insist("it has come to its end", job["state"] == "done", job)
    report = door.call("The report, from Redis.", 200, f"GET {path}", token=token).json()
    insist(
        "balances agree with the token", report["quality"]["balancesVerified"], report["quality"]
    )
    largest = report["clusters"][0]
    print(
        f"\n{report['numClusters']} clusters among {report['quality']['logs']} transfers."
        f" The largest: {largest['numMembers']} wallets, {largest['share']:.1%} of what circulates,"
        f" {largest['confidence']} confidence. Why its first two belong together:\n\n"
        f"  {json.dumps(largest['evidence'][0])}\n"
    )
    door.call(
        "A minute has not passed: it is fresh enough.", 409, f"POST {path}/refresh", token=token
    )
    wrong = "0xABABaBaBABabABabAbAbABAbABabababaBaBABaB"
    door.call(
        "A slip in the capitals of an address is told, with the right ones.",
        400, f"GET /v1/tokens/cluster/local/{wrong}", token=token,
    )  # fmt: skip


def _shows_the_traces(settings: LocalSettings, stream: str, entry: dict[str, Any]) -> None:
    """Past all of our own code: what DynamoDB and Redis hold."""
    commits = client("dynamodb", settings.aws_url).query(
        TableName=f"{settings.stack}-referrals-events",
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": stream}},
        ConsistentRead=True,
    )["Items"]
    print(f"\nThe commits of {stream}, straight from DynamoDB:\n")
    for commit in commits:
        print(
            "  " + json.dumps({name: next(iter(typed.values())) for name, typed in commit.items()})
        )
    events = [event["t"] for commit in commits for event in json.loads(commit["e"]["S"])]
    insist("one commit, two events", events == ["AccountOpened", "CodeIssued"], repr(events))
    insist("one commit", len(commits) == 1, repr(len(commits)))

    redis = Redis(host=HOST, port=settings.redis_port)
    serving = redis.hget("{referrals}:generations", "members")
    generation = serving.decode().partition(".")[0] if isinstance(serving, bytes) else "none"
    key = f"referrals:{{members:{generation}:{stream}}}"
    stored = redis.hget(key, "d")
    print(f"\nThe read model's bytes, straight from Redis ({key}):\n\n  {stored!r}\n")
    insist("they are what the gateway served", json.loads(stored or b"null") == entry, repr(stored))

    inviter = stream.removeprefix("member-")
    wait_for(
        "the invites service to have heard of it",
        lambda: any(redis.scan_iter(match=f"invites:{{inviters:*:inviter-{inviter}}}")),
        seconds=10,
    )
    print("The invites service has heard of the account, over a queue of its own.\n")
    redis.close()


def _stream(token: str) -> str:
    """The stream of the person whom a token names."""
    payload = token.split(".")[1]
    subject = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
    return f"member-{subject}"


def insist(what: str, holds: bool, seen: object) -> None:  # noqa: FBT001  reads as a sentence
    if not holds:
        raise WrongAnswer(f"expected that {what}; saw {seen!r}")


def _short(answer: Answer, width: int = 110) -> str:
    text = answer.body.decode(errors="replace")
    return text if len(text) <= width else f"{text[: width - 1]}…"
