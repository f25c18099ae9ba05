"""Follow one member through the running system over HTTP, and check every response."""

import http.client
import json
import secrets
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from redis import Redis

from contracts.referral_code import from_entropy, shown
from deploy.folders import event_sourced_names
from deploy.local.background import DidNotStart, stack
from deploy.local.chain import TOKEN
from deploy.local.demo_users import DEMO_USERS, PASSWORD, UserPool, subject_of
from deploy.local.grow import NotGrown, grow
from deploy.local.provision import client, read_environment, wait_for
from deploy.local.runner import running
from deploy.local.seed import MEMBER, NotSeeded, seed
from deploy.local.settings import HOST, LocalSettings

JSON = {"Content-Type": "application/json"}


class UnexpectedResponse(Exception):
    """A response, or stored data, differs from the expected."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Story:
    """Send requests to the gateway; print each one and check its status."""

    port: int
    started: float = field(default_factory=time.monotonic)
    steps: int = 0

    @staticmethod
    def chapter(title: str) -> None:
        print(f"\n{title}\n")

    @staticmethod
    def show(label: str, value: object) -> None:
        print(f"        {label:<12} {value}")

    def call(
        self,
        sentence: str,
        expected: HTTPStatus,
        request: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Response:
        method, path = request.split(" ")
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent |= JSON
        response = self._send(method, path, sent, None if body is None else json.dumps(body))
        self.steps += 1
        print(f"  {self.steps:>2}.  {sentence}")
        print(f"        {request} -> {response.status} {HTTPStatus(response.status).phrase}")
        check(f"{request} returns {expected.value}", response.status == expected, response.body)
        return response

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: str | None
    ) -> Response:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            reply = connection.getresponse()
            return Response(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()


def demo(settings: LocalSettings, *, keep: bool) -> int:
    """Play the story; return 0 if every response was as expected."""
    keep = keep or running(settings) is not None
    try:
        with stack(settings, keep=keep) as started:
            story = play(started)
    except (DidNotStart, NotGrown, NotSeeded, TimeoutError) as reason:
        print(f"\n{reason}", file=sys.stderr)
        return 1
    except UnexpectedResponse as wrong:
        print(f"\nThe demo failed: {wrong}", file=sys.stderr)
        return 1
    _summarize(story, settings, keep=keep)
    return 0


def play(settings: LocalSettings) -> Story:
    environment = read_environment(settings.service_env)
    people, story = UserPool.of(environment), Story(settings.gateway_port)
    email = f"demo-{secrets.token_hex(4)}@example.com"
    token = people.token(email)

    _signs_in(story, email, token)
    entry = _opens_an_account(story, token)
    _looks_up_codes(story, entry["referralCode"])
    _a_program_opens_one(story, people.service_token())
    _shows_what_was_stored(story, settings, token, entry)
    _a_friend_joins(story, people, entry["referralCode"], email)
    _a_token_is_analysed(story, people.token(email, "access"))
    _the_token_grows(story, settings, people.token(email, "access"))
    _fills_the_pages(story, settings)
    return story


def _signs_in(story: Story, email: str, token: str) -> None:
    story.chapter(f"Sign in: {email} has signed up with the user pool")
    no = story.call("Without a token, a request is refused.", HTTPStatus.FORBIDDEN, "GET /v1/me")
    check("the body repeats the status", no.json()["status_code"] == HTTPStatus.FORBIDDEN, no.body)
    forged = token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBB")
    story.call(
        "So is a token with a forged signature.", HTTPStatus.FORBIDDEN, "GET /v1/me", token=forged
    )
    story.call(
        "Signed in, but without an account.", HTTPStatus.NOT_FOUND, "GET /v1/me", token=token
    )


def _opens_an_account(story: Story, token: str) -> dict[str, Any]:
    story.chapter("Open an account: a command travels over SQS, and its outcome comes back")
    once = {"Idempotency-Key": str(uuid.uuid4())}
    first = story.call(
        "The account is opened.", HTTPStatus.CREATED, "POST /v1/me", token=token, headers=once
    )
    again = story.call(
        "The same request again, as a phone sends it after a lost connection: the same response.",
        HTTPStatus.CREATED, "POST /v1/me", token=token, headers=once,
    )  # fmt: skip
    check("the response is the same", again.body == first.body, again.body)
    story.call(
        "A second account for the same person is refused.",
        HTTPStatus.CONFLICT, "POST /v1/me", token=token,
    )  # fmt: skip
    me = story.call("The account, read back.", HTTPStatus.OK, "GET /v1/me", token=token)
    check("it is what was returned before", me.json() == first.json(), me.body)
    entry: dict[str, Any] = me.json()
    story.show("code", entry["referralCode"])
    story.show("remaining", entry["referralsRemaining"])
    return entry


def _looks_up_codes(story: Story, code: str) -> None:
    story.chapter("Look up referral codes: no sign-in needed")
    path = "GET /v1/referral/valid?referral_code="
    good = story.call("The new code can be used.", HTTPStatus.OK, path + code)
    check("it is valid", good.json() == {"valid": True}, good.body)
    unknown = shown(from_entropy(secrets.token_bytes(6)))
    strange = story.call("A code that does not exist cannot.", HTTPStatus.OK, path + unknown)
    check("it is not valid", strange.json() == {"valid": False}, strange.body)
    typo = code[:-1] + ("2" if code[-1] != "2" else "3")
    story.call("A typing error is found by its check digits.", HTTPStatus.BAD_REQUEST, path + typo)


def _a_program_opens_one(story: Story, token: str) -> None:
    story.chapter("Import a person: a program signs in with the scope vouch/users.write")
    sub = f"imported-{secrets.token_hex(4)}"
    story.call(
        "It opens an account for a person.",
        HTTPStatus.CREATED, "POST /v1/users",
        token=token, body={"sub": sub, "user": f"{sub}@example.com"},
    )  # fmt: skip
    story.call(
        "An invalid address is refused, naming the field.",
        HTTPStatus.UNPROCESSABLE_ENTITY, "POST /v1/users",
        token=token, body={"sub": sub, "user": "no address"},
    )  # fmt: skip


def _shows_what_was_stored(
    story: Story, settings: LocalSettings, token: str, entry: dict[str, Any]
) -> None:
    """Read DynamoDB and Redis past all of our own code."""
    subject = subject_of(token)
    stream = f"member-{subject}"
    commits = client("dynamodb", settings.aws_url).query(
        TableName=f"{settings.stack}-referrals-events",
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": stream}},
        ConsistentRead=True,
    )["Items"]
    events = [event["t"] for commit in commits for event in json.loads(commit["e"]["S"])]
    check("two events are stored", events == ["AccountOpened", "CodeIssued"], repr(events))
    check("they are one commit", len(commits) == 1, repr(len(commits)))

    redis = Redis(host=HOST, port=settings.redis_port)
    serving = redis.hget("{referrals}:generations", "members")
    generation = serving.decode().partition(".")[0] if isinstance(serving, bytes) else "none"
    key = f"referrals:{{members:{generation}:{stream}}}"
    stored = redis.hget(key, "d")
    check("the gateway served them", json.loads(stored or b"null") == entry, repr(stored))
    wait_for(
        "the invites service to receive the event",
        lambda: any(redis.scan_iter(match=f"invites:{{inviters:*:inviter-{subject}}}")),
        seconds=10,
    )
    redis.close()
    story.chapter("What was stored")
    story.show("stream", stream)
    story.show("DynamoDB", f"one commit with the events {' and '.join(events)}")
    story.show("Redis", f"the bytes that the gateway served, in {key[:34]}…")
    story.show("invites", "received the event over a queue of its own")


def _a_friend_joins(story: Story, people: UserPool, code: str, referrer: str) -> None:
    story.chapter("Bring a friend: reserve a seat before sign-up, confirm it after")
    friend = f"friend-{secrets.token_hex(4)}@example.com"
    body = {"referralCode": code, "user": friend}
    uses = "POST /v1/referral/uses"
    held = story.call("A friend uses the code.", HTTPStatus.CREATED, uses, body=body)
    again = story.call("Once more changes nothing.", HTTPStatus.CREATED, uses, body=body)
    # not the time until which the seat is reserved: it hides whether the friend has asked before
    check("it is the same use", again.json()["useId"] == held.json()["useId"], again.body)
    taken = story.call(
        "The friend has signed up and confirms.",
        HTTPStatus.OK, f"POST /v1/referral/uses/{held.json()['useId']}/confirm",
        token=people.token(friend), body={},
    )  # fmt: skip
    check("it is confirmed", taken.json() == {"state": "confirmed"}, taken.body)
    token = people.token(referrer, "access")
    stats = story.call(
        "The referrer's points.", HTTPStatus.OK, "GET /v1/referral/stats", token=token
    )
    check("a hundred points", stats.json()["points"] == 100, stats.body)  # noqa: PLR2004  the rule
    story.show("points", stats.json()["points"])
    ledger = story.call(
        "Each point names its cause.", HTTPStatus.OK, "GET /v1/points/ledger", token=token
    )
    check("one entry", len(ledger.json()["items"]) == 1, ledger.body)
    board = story.call(
        "The leaderboard, with masked names.",
        HTTPStatus.OK, "GET /v1/leaderboard?around=me&limit=3", token=token,
    )  # fmt: skip
    check("a place", board.json()["me"]["rank"] >= 1, board.body)
    story.show("rank", board.json()["me"]["rank"])
    issue = {"kind": "vanity", "code": f"DEMO{secrets.token_hex(2)}"}
    named = story.call(
        "A code with a chosen name.",
        HTTPStatus.CREATED, "POST /v1/referral/codes", token=token, body=issue,
    )  # fmt: skip
    path = f"DELETE /v1/referral/codes/{named.json()['code']}"
    story.call("It is revoked.", HTTPStatus.NO_CONTENT, path, token=token)


def _a_token_is_analysed(story: Story, token: str) -> None:
    story.chapter("Analyse a token: which wallets hold it together?")
    path = f"/v1/tokens/cluster/local/{TOKEN}"
    queued = story.call(
        "The first request for a report queues an analysis.",
        HTTPStatus.ACCEPTED, f"GET {path}", token=token,
    ).json()  # fmt: skip
    check("the detail says so", "was queued for cluster analysis" in queued["detail"], queued)
    job = story.call(
        "One request waits until the job is done.",
        HTTPStatus.OK, f"GET /v1/jobs/{queued['job']['id']}",
        token=token, headers={"Prefer": "wait=25"},
    ).json()  # fmt: skip
    check("the job is done", job["state"] == "done", job)
    report = story.call("The report.", HTTPStatus.OK, f"GET {path}", token=token).json()
    quality, largest = report["quality"], report["clusters"][0]
    check("balances agree with the token", quality["balancesVerified"], quality)
    evidence = largest["evidence"][0]
    story.show("found", f"{report['numClusters']} clusters among {quality['logs']} transfers")
    story.show(
        "largest",
        f"{largest['numMembers']} wallets with {largest['share']:.1%} of the circulating supply",
    )
    story.show("why", f"{evidence['type']}: {evidence['from'][:10]}… -> {evidence['to'][:10]}…")
    story.call(
        "A refresh right after is refused.",
        HTTPStatus.CONFLICT, f"POST {path}/refresh", token=token,
    )  # fmt: skip
    wrong = "0xABABaBaBABabABabAbAbABAbABabababaBaBABaB"
    story.call(
        "A misspelt address is found by its checksum.",
        HTTPStatus.BAD_REQUEST, f"GET /v1/tokens/cluster/local/{wrong}", token=token,
    )  # fmt: skip


def _the_token_grows(story: Story, settings: LocalSettings, token: str) -> None:
    story.chapter("Let the token grow, and analyse it after each step")
    for step in grow(settings, token):
        story.show("grown by", step)
    history = story.call(
        "Its past.", HTTPStatus.OK, f"GET /v1/tokens/cluster/local/{TOKEN}/history", token=token
    ).json()  # fmt: skip
    check("there are several reports", len(history["items"]) > 1, history)
    story.show("reports", len(history["items"]))
    story.show("map", f"{settings.gateway_url}/app/token/local/{TOKEN}")


def _fills_the_pages(story: Story, settings: LocalSettings) -> None:
    story.chapter("Fill the pages: members, a month of referrals, invitations in every state")
    is_new = seed(settings)
    story.show("seeded", "done" if is_new else "was done before")
    story.call("The pages.", HTTPStatus.OK, "GET /app/")


def _summarize(story: Story, settings: LocalSettings, *, keep: bool) -> None:
    seconds = time.monotonic() - story.started
    print(f"\nAll {story.steps} responses were as expected, in {seconds:.1f} s.\n")
    *first, last = event_sourced_names()
    print(f"What ran: the gateway, the services {', '.join(first)} and {last}, a local AWS")
    print("(DynamoDB, SQS, SNS, SES, Cognito, S3), Redis, and a simulated chain.\n")
    docs, token = f"{settings.gateway_url}/docs", f"make token USER={DEMO_USERS[0]}"
    if keep:
        print("It is still running. Try next:\n")
        _hint(docs, "the API, to try in a browser")
        _hint(token, "a token for your own requests (docs/api.md)")
        _hint("make down", "stop the system")
        print(f"\nOpen {settings.gateway_url}/app/ and sign in as {MEMBER} with {PASSWORD}\n")
    else:
        print("It has been stopped again. Try next:\n")
        _hint("make up", f"run it, and try the API at {docs}")
        _hint(token, "a token for your own requests (docs/api.md)")
        _hint("make test-fast", "run the quick tests")


def _hint(command: str, purpose: str) -> None:
    print(f"  {command:<36} {purpose}")


def check(what: str, holds: bool, seen: object) -> None:  # noqa: FBT001  reads as a sentence
    if not holds:
        raise UnexpectedResponse(f"expected that {what}; saw {seen!r}")
