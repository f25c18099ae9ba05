"""Follow invitations through the deployed template, from the request to points or to a bounce."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from deploy import grafana
from deploy.local.provision import client
from deploy.local.settings import HOST
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
async def url(stack: Stack) -> AsyncIterator[str]:
    """Start the services and return the URL of a gateway that does not limit invitations."""
    for name in ("referrals", "invites"):
        stack.service(name).start()
    for name in ("referrals", "invites"):
        await stack.service(name).ready()
    async with Redis.from_url(stack.settings.redis_url) as redis:
        await redis.hset("gateway:limits", mapping={"invites": "1/60;shadow"})
        yield (await stack.service("gateway").start().ready()).url
        await redis.delete("gateway:limits")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Person:
    """Call the gateway as a person, who may have signed in."""

    def __init__(self, stack: Stack, url: str, session: aiohttp.ClientSession) -> None:
        self.stack, self.url, self.session = stack, url, session
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        self.tokens: dict[Any, str] = {}

    async def sign_in(self) -> "Person":
        await asyncio.to_thread(self.stack.users.sign_up, self.email)
        self.tokens = dict(await asyncio.to_thread(self.stack.users.sign_in, self.email))
        return self

    async def call(self, method: str, path: str, token: str | None, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
        if method != "GET":
            headers["Prefer"] = "wait=20"  # also on a slow machine
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.url + path, headers=headers, data=data
        ) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None


async def inbox(stack: Stack, session: aiohttp.ClientSession, to: str) -> list[dict[str, Any]]:
    """Return the mails that the local SES has accepted for this address."""
    async with session.get(f"{stack.settings.aws_url}/_ministack/ses/messages") as response:
        messages = json.loads(await response.text())

    def mails(value: Any) -> list[dict[str, Any]]:
        if isinstance(value, dict):
            if "MessageId" in value:
                return [value] if to in value["To"] else []
            return [mail for each in value.values() for mail in mails(each)]
        return [mail for each in value for mail in mails(each)] if isinstance(value, list) else []

    return mails(messages)


async def invited(alice: Person, email: str) -> str:
    async def sent() -> str | None:
        request = {"email": email, "note": "See you <b>there</b>!", "name": "Alice"}
        status, invitation = await alice.call("POST", "/v1/invites", "access", request)
        assert status in (202, 409, 429), invitation
        return invitation.get("invite") if status == 202 else None

    invite_id = await eventually(sent)  # the invites service learns of the account over its queue
    assert invite_id is not None
    return str(invite_id)


async def reached(alice: Person, invite_id: str, state: str) -> dict[str, Any]:
    async def in_state() -> dict[str, Any] | None:
        status, invitation = await alice.call("GET", f"/v1/invites/{invite_id}", "access")
        return invitation if status == 200 and invitation["state"] == state else None

    found = await eventually(in_state, seconds=20)
    assert found is not None
    return found


async def test_an_accepted_invitation_earns_points_and_a_bounced_one_stops_mail(
    stack: Stack, url: str, session: aiohttp.ClientSession
) -> None:
    alice = await Person(stack, url, session).sign_in()
    bob = Person(stack, url, session)
    assert (await alice.call("POST", "/v1/me", "id"))[0] == 201
    invite_id = await invited(alice, bob.email)
    await reached(alice, invite_id, "sent")

    # the mail in the local SES
    (mail,) = await inbox(stack, session, bob.email)
    assert mail["Subject"] == "Alice invites you to Vouch"
    assert "See you <b>there</b>!" in mail["BodyText"]
    assert "See you &lt;b&gt;there&lt;/b&gt;!" in mail["BodyHtml"]
    token = mail["BodyText"].split("invited#")[1].split()[0]

    # its token looks up and accepts the invitation, which reserves a referral of the inviter
    status, invitation = await bob.call("POST", "/v1/invites/lookup", None, {"token": token})
    assert (status, invitation["inviter"]) == (200, "Alice")
    status, accepted = await bob.call("POST", "/v1/invites/accept", None, {"token": token})
    assert status == 200
    confirm = f"/v1/referral/uses/{accepted['useId']}/confirm"
    await bob.sign_in()

    async def confirmed() -> bool:
        status, use = await bob.call("POST", confirm, "id", {})
        return bool(status == 200 and use["state"] == "confirmed")

    await eventually(confirmed, seconds=20)

    async def credited() -> bool:
        status, stats = await alice.call("GET", "/v1/referral/stats", "access")
        return bool(status == 200 and stats["points"] == 100)

    await eventually(credited, seconds=20)
    await reached(alice, invite_id, "accepted")

    # another address bounces permanently and gets no more mail
    carol = Person(stack, url, session)
    first = await invited(alice, carol.email)
    await reached(alice, first, "sent")
    (mail,) = await inbox(stack, session, carol.email)
    await asyncio.to_thread(bounce, stack, mail["MessageId"], first)
    await reached(alice, first, "bounced")
    assert (await alice.call("DELETE", f"/v1/invites/{first}", "access"))[0] == 204
    second = await invited(alice, carol.email)
    assert second != first
    await reached(alice, second, "sent")  # shown to the inviter like any other invitation
    assert len(await inbox(stack, session, carol.email)) == 1


async def test_links_and_suppressions_outlive_the_key_that_they_were_made_with(
    stack: Stack, url: str, session: aiohttp.ClientSession
) -> None:
    alice = await Person(stack, url, session).sign_in()
    assert (await alice.call("POST", "/v1/me", "id"))[0] == 201
    bob, carol = (Person(stack, url, session) for _ in range(2))
    kept, ended = await invited(alice, bob.email), await invited(alice, carol.email)
    for each in (kept, ended):
        await reached(alice, each, "sent")
    (mail,) = await inbox(stack, session, bob.email)
    token = mail["BodyText"].split("invited#")[1].split()[0]
    (mail,) = await inbox(stack, session, carol.email)
    link = mail["BodyText"].rsplit("/v1/unsubscribe/", 1)[1].split()[0]
    patient = {"Prefer": "wait=20"}
    assert (await session.post(f"{url}/v1/unsubscribe/{link}", headers=patient)).status == 200
    assert (await alice.call("DELETE", f"/v1/invites/{ended}", "access"))[0] == 204

    service, old, new = stack.service("invites"), stack.environment["INVITES_KEY"], "n" * 40
    for keys in ((old, new), (new, old)):  # the next key is listed first, and then used
        service.stop()
        await service.start(INVITES_KEY=keys[0], INVITES_EARLIER_KEYS=keys[1]).ready()
    await reached(alice, await invited(alice, carol.email.replace("@", "+x@")), "sent")
    assert len(await inbox(stack, session, carol.email.replace("@", "+x@"))) == 0
    status, _ = await bob.call("POST", "/v1/invites/accept", None, {"token": token})
    assert status == 200
    service.stop()


def bounce(stack: Stack, message_id: str, invite_id: str) -> None:
    """Publish a bounce as SES does; twice, since SNS may deliver it twice."""
    topics = client("sns", stack.settings.aws_url)
    name = f":{stack.settings.stack}-mail-feedback"
    arns = [each["TopicArn"] for each in topics.list_topics()["Topics"]]
    (arn,) = [each for each in arns if each.endswith(name)]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    report = {
        "eventType": "Bounce",
        "mail": {"messageId": message_id, "timestamp": stamp, "tags": {"invite": [invite_id]}},
        "bounce": {
            "feedbackId": str(uuid.uuid4()),
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "timestamp": stamp,
        },
    }
    for _ in range(2):
        topics.publish(TopicArn=arn, Message=json.dumps(report))


async def test_each_name_of_the_grafana_dashboard_is_exposed(
    stack: Stack, url: str, session: aiohttp.ClientSession
) -> None:
    await Person(stack, url, session).call("GET", "/v1/me", None)
    lines = stack.service("gateway").lines
    started = [line for line in lines if line["event"] == "gateway_started"]
    internal = f"http://{HOST}:{started[-1]['internal_port']}"
    exposed: dict[str, set[str]] = {}
    for base in (internal, *(stack.service(name).url for name in ("referrals", "invites"))):
        async with session.get(f"{base}/metrics") as response:
            exposed[base] = names_in(await response.text())
    of_workers = {"gateway_worker_up"}  # there is one worker
    used = {name for expression in grafana.expressions() for name in metrics_of(expression)}
    assert used - of_workers <= set().union(*exposed.values())
    common = {"outages", "outages_started_total", "process_resident_memory_bytes"}
    assert all(common <= names for names in exposed.values())


def names_in(exposition: str) -> set[str]:
    """Return the names of the samples of each family, also of one that has no sample yet."""
    endings = {"histogram": ("_bucket", "_count", "_sum")}
    families = re.findall(r"^# TYPE (\w+) (\w+)$", exposition, re.MULTILINE)
    return {name + end for name, kind in families for end in endings.get(kind, ("",))}


def metrics_of(expression: str) -> set[str]:
    """Return the names of metrics in an expression of Prometheus."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|without) \([^)]*\)', " ", expression)
    return set(re.findall(r"\b[a-z][a-z0-9_]*\b(?!\s*\()", bare)) - {"by"}
