"""Send journeys through the gateway of deployed services, as people and the load balancer do."""

import http.client
import json
import secrets
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from deploy.local.demo_users import UserPool
from deploy.local.provision import wait_for
from deploy.local.settings import HOST

_CLIENT: Final = "203.0.113.7"
"""Address of the client, which the load balancer appends."""
_PAUSE_SECONDS: Final = 0.2
_WAIT_SECONDS: Final = 25
"""The longest wait: a busy machine is not what is examined."""


class Differs(Exception):
    """What was observed differs from what was expected; the message says how."""


@dataclass
class Gateway:
    """Call the gateway as its load balancer does."""

    port: int
    people: UserPool
    endpoint: str
    """Address of the local AWS."""

    def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        *,
        wait_seconds: int | None = None,
    ) -> tuple[int, Any]:
        """Return the status and the JSON of a response.

        `wait_seconds` is how long it waits for the outcome of a command; default: as the gateway.
        """
        headers = {"X-Forwarded-For": _CLIENT, "X-Forwarded-Proto": "https"}
        if wait_seconds is not None:
            headers["Prefer"] = f"wait={wait_seconds}"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            reply = connection.getresponse()
            text = reply.read()
            return reply.status, json.loads(text) if text else None
        finally:
            connection.close()

    def expect(
        self, status: HTTPStatus, method: str, path: str, token: str | None, body: Any = None
    ) -> Any:
        """Return the JSON of a response with this status.

        Raises:
            Differs: it has another status.
        """
        seen, content = self.call(method, path, token, body, wait_seconds=_WAIT_SECONDS)
        if seen != status:
            raise Differs(f"{method} {path}: expected {status.value}, saw {seen}: {content}")
        return content

    def open_account(self) -> str:
        """Sign a new person up, open an account and read it; return an access token."""
        email = f"person-{secrets.token_hex(6)}@example.com"
        self.people.sign_up(email)
        tokens = self.people.sign_in(email)
        opened = self.expect(HTTPStatus.CREATED, "POST", "/v1/me", tokens["id"])
        read = self.expect(HTTPStatus.OK, "GET", "/v1/me", tokens["id"])
        if read != opened:
            raise Differs(f"opened the account {opened}, read {read}")
        return tokens["access"]

    def invite(self, token: str) -> str:
        """Invite a new address; return it once its mail was sent."""
        email = f"friend-{secrets.token_hex(6)}@example.com"
        self.request_invitation(token, email)
        wait_for(f"the mail to {email}", lambda: self.has_mail(email), 90)
        return email

    def request_invitation(self, token: str, email: str) -> None:
        """Invite an address, once the invites service knows the account."""
        seen: list[Any] = []

        def accepted() -> bool:
            seen[:] = self.call("POST", "/v1/invites", token, {"email": email})
            if seen[0] not in (HTTPStatus.ACCEPTED, HTTPStatus.SERVICE_UNAVAILABLE):
                raise Differs(f"POST /v1/invites: saw {seen}")
            return bool(seen[0] == HTTPStatus.ACCEPTED)

        wait_for("the account to be known to the invites service", accepted, 90)

    def has_mail(self, email: str) -> bool:
        """Return whether the local SES has accepted a mail to this address."""
        url = f"{self.endpoint}/_ministack/ses/messages"
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  the local AWS
            boxes = json.load(response)["messages"]
        return any(email in mail["To"] for box in boxes.values() for mail in box)


@dataclass
class Client:
    """Open one account after the other, and count how that goes."""

    gateway: Gateway
    accounts: int = 0
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Client"]:
        """Open accounts in the background until the context ends."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            try:
                self.gateway.open_account()
                self.accounts += 1
            except (Differs, OSError) as error:
                self.failures.append(str(error))
