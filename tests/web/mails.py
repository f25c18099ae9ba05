"""Read the mails that the local SES has accepted."""

import json
import re
from typing import Any

import aiohttp

from tests.support.eventually import eventually
from tests.support.stack import Stack


async def link_in_mail(stack: Stack, address: str) -> str:
    """Return the link of the latest invitation to an address, once there is one."""
    return await _link(stack, address, r"/app/invited#\S+")


async def unsubscribe_link_in_mail(stack: Stack, address: str) -> str:
    """Return the link of the latest mail to an address that stops further ones."""
    return await _link(stack, address, r"/v1/unsubscribe/[\w-]+")


async def _link(stack: Stack, address: str, path: str) -> str:
    pattern = re.compile(re.escape(stack.settings.gateway_url) + path)

    async def arrived() -> str | None:
        mails = [mail for mail in await _mails(stack) if address in mail["To"]]
        found = [link for mail in mails for link in pattern.findall(mail["BodyText"])]
        return found[-1] if found else None

    link = await eventually(arrived, seconds=60)
    assert link is not None
    return link


async def _mails(stack: Stack) -> list[dict[str, Any]]:
    url = f"{stack.settings.aws_url}/_ministack/ses/messages"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        boxes: dict[str, list[dict[str, Any]]] = json.loads(await response.text())["messages"]
    return [mail for box in boxes.values() for mail in box]
