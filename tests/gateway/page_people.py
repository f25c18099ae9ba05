"""Sign up the people that a page of docs/api mentions, and read their mail."""

import asyncio
import base64
import json
import re
import secrets
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from deploy.local.demo_users import ADMIN, Use, UserPool
from deploy.local.provision import wait_for

OTHERS = ("BOB", "CAROL", "DAVE", "ERIN")
DISPOSABLE = "MALLORY"
"""Person with a disposable address, whose referral is held."""
_NAME = re.compile(rf"({'|'.join((*OTHERS, DISPOSABLE))})(?:S_([A-Z_]+))?")
_LINKS = {
    "INVITATION": re.compile(r"/invited#([\w-]{43})"),
    "UNSUBSCRIBE": re.compile(r"/v1/unsubscribe/([\w-]{43})"),
}


@dataclass
class PagePeople:
    """Sign people up and in, and read the links in their mails."""

    users: UserPool
    aws_url: str
    reader: str
    """Address of the reader, Alice; the other people are new on each page."""
    page: str = field(default_factory=lambda: secrets.token_hex(4))
    _signed_in: dict[str, dict[Use, str]] = field(default_factory=dict)

    def address(self, name: str) -> str:
        domain = "mailinator.com" if name == DISPOSABLE else "example.com"
        return f"{name.lower()}-{self.page}@{domain}"

    async def __call__(self, name: str) -> str | None:
        """Return the value of a name on a page; None if it names no person."""
        return await asyncio.to_thread(self._value, name)

    def _value(self, name: str) -> str | None:
        match name:
            case "EMAIL":
                return self.reader
            case "ID_TOKEN" | "ACCESS_TOKEN":
                return self._token(self.reader, name)
            case "ADMIN_TOKEN":
                return self._token(ADMIN, "ACCESS_TOKEN")
            case "SERVICE_TOKEN":
                return self.users.service_token()
            case _:
                return self._value_of_other_person(name)

    def _value_of_other_person(self, name: str) -> str | None:
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        address, what = self.address(match[1]), match[2]
        if what is None:
            return address
        if what in _LINKS:
            return self._link(address, _LINKS[what])
        if what == "SUB":
            return subject(self._token(address, "ID_TOKEN"))
        return self._token(address, what) if what in ("ID_TOKEN", "ACCESS_TOKEN") else None

    def _token(self, address: str, name: str) -> str:
        if address not in self._signed_in:
            self.users.sign_up(address)
            self._signed_in[address] = self.users.sign_in(address)
        return self._signed_in[address]["id" if name == "ID_TOKEN" else "access"]

    def _link(self, address: str, wanted: re.Pattern[str]) -> str:
        """Return the token in the latest mail to this address, from the local SES."""
        found: list[str] = []

        def arrived() -> bool:
            texts = [mail["BodyText"] for mail in self._mails() if address in mail["To"]]
            found[:] = [link for text in texts for link in wanted.findall(text)]
            return bool(found)

        wait_for(f"the mail to {address}", arrived, seconds=20)
        return found[-1]

    def _mails(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(  # noqa: S310  the local AWS
            f"{self.aws_url}/_ministack/ses/messages", timeout=5
        ) as reply:
            boxes: dict[str, list[dict[str, Any]]] = json.load(reply)["messages"]
        return [mail for box in boxes.values() for mail in box]


def subject(token: str) -> str:
    """Return the `sub` of a token, without verifying the token."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])
