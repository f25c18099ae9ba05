"""An invitation from end to end on the deployed template: every part is the one that ships."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from deploy.local.provision import client
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
async def url(stack: Stack) -> AsyncIterator[str]:
    """Of a gateway that counts invitations and turns nobody away, once it has heard of that."""
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
    """Somebody with an address, who signs in when it comes to it."""

    def __init__(self, stack: Stack, url: str, session: aiohttp.ClientSession) -> None:
        self.stack, self.url, self.session = stack, url, session
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        self.tokens: dict[Any, str] = {}

    async def sign_in(self) -> "Person":
        await asyncio.to_thread(self.stack.people.sign_up, self.email)
        self.tokens = dict(await asyncio.to_thread(self.stack.people.sign_in, self.email))
        return self

    async def call(self, method: str, path: str, use: str | None, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[use]}"} if use else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.url + path, headers=headers, data=data
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None


async def inbox(stack: Stack, session: aiohttp.ClientSession, to: str) -> list[dict[str, Any]]:
    """What the local SES has taken for this address."""
    async with session.get(f"{stack.settings.aws_url}/_ministack/ses/messages") as answer:
        told = json.loads(await answer.text())

    def mails(value: Any) -> list[dict[str, Any]]:
        if isinstance(value, dict):
            if "MessageId" in value:
                return [value] if to in value["To"] else []
            return [mail for each in value.values() for mail in mails(each)]
        return [mail for each in value for mail in mails(each)] if isinstance(value, list) else []

    return mails(told)


async def invited(alice: Person, email: str) -> str:
    async def sent() -> str | None:
        wish = {"email": email, "note": "See you <b>there</b>!", "name": "Alice"}
        status, told = await alice.call("POST", "/v1/invites", "access", wish)
        assert status in (202, 409, 429), told
        return told.get("invite") if status == 202 else None

    name = await eventually(sent)  # the invites service hears of the account over its queue
    assert name is not None
    return str(name)


async def state(alice: Person, name: str, wanted: str) -> dict[str, Any]:
    async def so() -> dict[str, Any] | None:
        status, told = await alice.call("GET", f"/v1/invites/{name}", "access")
        return told if status == 200 and told["state"] == wanted else None

    found = await eventually(so, seconds=20)
    assert found is not None
    return found


async def test_from_a_wish_to_points_and_from_a_bounce_to_silence(
    stack: Stack, url: str, session: aiohttp.ClientSession
) -> None:
    alice = await Person(stack, url, session).sign_in()
    bob = Person(stack, url, session)
    assert (await alice.call("POST", "/v1/me", "id"))[0] == 201
    name = await invited(alice, bob.email)
    await state(alice, name, "sent")

    # the mail, as the local SES has it
    (mail,) = await inbox(stack, session, bob.email)
    assert mail["Subject"] == "Alice invites you to Vouch"
    assert "See you <b>there</b>!" in mail["BodyText"]
    assert "See you &lt;b&gt;there&lt;/b&gt;!" in mail["BodyHtml"]
    token = mail["BodyText"].split("invited#")[1].split()[0]

    # its token: looked up, accepted, and a seat is reserved with the inviter
    status, looked = await bob.call("POST", "/v1/invites/lookup", None, {"token": token})
    assert (status, looked["inviter"]) == (200, "Alice")
    status, told = await bob.call("POST", "/v1/invites/accept", None, {"token": token})
    assert status == 200
    use = f"/v1/referral/uses/{told['useId']}/confirm"
    await bob.sign_in()

    async def confirmed() -> bool:
        status, told = await bob.call("POST", use, "id", {})
        return bool(status == 200 and told["state"] == "confirmed")

    await eventually(confirmed, seconds=20)

    async def risen() -> bool:
        status, told = await alice.call("GET", "/v1/referral/stats", "access")
        return bool(status == 200 and told["points"] == 100)

    await eventually(risen, seconds=20)
    await state(alice, name, "accepted")

    # another address bounces for good, and is left alone from then on
    carol = Person(stack, url, session)
    first = await invited(alice, carol.email)
    await state(alice, first, "sent")
    (mail,) = await inbox(stack, session, carol.email)
    await asyncio.to_thread(bounce, stack, mail["MessageId"], first)
    await state(alice, first, "bounced")
    assert (await alice.call("DELETE", f"/v1/invites/{first}", "access"))[0] == 204
    second = await invited(alice, carol.email)
    assert second != first
    await state(alice, second, "sent")  # what the inviter is told of everybody
    assert len(await inbox(stack, session, carol.email)) == 1


def bounce(stack: Stack, message_id: str, invite_id: str) -> None:
    """What SES publishes; twice, as SNS may deliver it."""
    topics = client("sns", stack.settings.aws_url)
    name = f":{stack.settings.stack}-mail-feedback"
    arns = [each["TopicArn"] for each in topics.list_topics()["Topics"]]
    (arn,) = [each for each in arns if each.endswith(name)]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    told = {
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
        topics.publish(TopicArn=arn, Message=json.dumps(told))
