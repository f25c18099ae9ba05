"""Fill the running stack so that its pages have something to show."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from deploy.folders import ROOT
from deploy.local.demo_users import DEMO_USERS, UserPool, subject_of
from deploy.local.provision import client, read_environment, wait_for
from deploy.local.settings import LocalSettings

MEMBER: Final = DEMO_USERS[0]
"""The person whose page is worth a look."""
MEMBERS: Final = (*DEMO_USERS, "dora@example.com")
INVITED: Final = {
    "hugo@home.example": "sent",
    "ines@mail.example": "accepted",
    "jan@work.example": "declined",
    "kira@home.example": "revoked",
    "luis@mail.example": "bounced",
    "mona@work.example": "delivered",
    "nora@home.example": "failed",
}
"""Person -> the state that its invitation reaches; `seed_history` adds one that has expired."""
_REPORTS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "bounced": ("Bounce", {"bounceType": "Permanent", "bounceSubType": "General"}),
    "delivered": ("Delivery", {}),
    "failed": ("Reject", {"reason": "Bad content"}),
}
"""State of an invitation -> the report of SES that leads to it, and details of the report."""

_UNANSWERED: Final = ("requested", "sent")


class NotSeeded(Exception):
    """A request was refused, or the history could not be written."""


def seed(settings: LocalSettings) -> bool:
    """Give the demo people a past and invitations; return False if they have them already.

    A call that was interrupted is resumed by the next one.

    Raises:
        NotSeeded: part of it was refused.
        TimeoutError: a mail did not arrive.
    """
    environment = read_environment(settings.service_env)
    people = UserPool.of(environment)
    subjects = {email: subject_of(people.token(email)) for email in MEMBERS}
    has_closed_days = _seed_history(settings, environment, subjects)
    inviter = _Inviter(settings, people.token(MEMBER, "access"))
    found = inviter.found()
    missing = {
        email: state
        for email, state in INVITED.items()
        if email not in found or (found[email][1] in _UNANSWERED and state != "sent")
    }
    for email, state in missing.items():
        inviter.invite(email, state, found[email][0] if email in found else None)
    return has_closed_days or bool(missing)


def _seed_history(
    settings: LocalSettings, environment: Mapping[str, str], subjects: Mapping[str, str]
) -> bool:
    """Seed the history; return whether it closed days."""
    process = start_history(settings, environment, subjects)
    printed, errors = process.communicate()
    if process.returncode:
        raise NotSeeded(errors[-2000:])
    return int(printed.split()[-1]) > 0


def start_history(
    settings: LocalSettings, environment: Mapping[str, str], subjects: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """Start `deploy.local.seed_history`, which prints the number of days that it closed."""
    arguments = [f"{email}={subject}" for email, subject in subjects.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.local.seed_history", *arguments],
        env={**settings.environment(), **environment, "LOG_LEVEL": "error"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class _Inviter:
    """Invite people through the gateway, and let their invitations reach a state."""

    settings: LocalSettings
    token: str

    def found(self) -> dict[str, tuple[str, str]]:
        """Return the id and the state of the newest invitations by address."""
        items = self._call("GET", "/v1/invites")["items"]
        return {item["email"]: (item["inviteId"], item["state"]) for item in reversed(items)}

    def invite(self, email: str, state: str, invite_id: str | None = None) -> None:
        """Invite a person, unless there is an invitation, and let it reach a state."""
        if invite_id is None:
            body = {"email": email, "note": "See you there!", "name": "Alice"}
            invite_id = self._call("POST", "/v1/invites", body)["invite"]
        mail = self._mail_to(email)
        token = mail["BodyText"].split("/app/invited#")[1].split()[0]
        match state:
            case "accepted":
                self._call("POST", "/v1/invites/accept", {"token": token})
            case "declined":
                self._call("POST", "/v1/invites/decline", {"token": token})
            case "revoked":
                self._call("DELETE", f"/v1/invites/{invite_id}")
            case "bounced" | "delivered" | "failed":
                self._report(state, mail["MessageId"], invite_id)
            case _:
                pass  # sent
        wait_for(f"{email}: {state}", lambda: self.found().get(email, ("", ""))[1] == state)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  the local gateway
            self.settings.gateway_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  as above
                content = response.read()
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                time.sleep(1)  # the account is on its way to the invites service
                return self._call(method, path, body)
            raise NotSeeded(f"{method} {path}: {error.read().decode()}") from None
        return json.loads(content) if content else None

    def _mail_to(self, email: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            url = f"{self.settings.aws_url}/_ministack/ses/messages"
            with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  the local AWS
                boxes: dict[str, list[dict[str, Any]]] = json.load(response)["messages"]
            found[:] = [mail for box in boxes.values() for mail in box if email in mail["To"]]
            return bool(found)

        wait_for(f"the mail to {email}", arrived, seconds=30)
        return found[-1]

    def _report(self, state: str, message_id: str, invite_id: str) -> None:
        """Publish what SES reports about a mail."""
        topics = client("sns", self.settings.aws_url)
        name = f":{self.settings.stack}-mail-feedback"
        arns = [topic["TopicArn"] for topic in topics.list_topics()["Topics"]]
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        mail = {"messageId": message_id, "timestamp": stamp, "tags": {"invite": [invite_id]}}
        kind, detail = _REPORTS[state]
        detail = {"feedbackId": str(uuid.uuid4()), "timestamp": stamp, **detail}
        report = {"eventType": kind, "mail": mail, kind.lower(): detail}
        (arn,) = [each for each in arns if each.endswith(name)]
        topics.publish(TopicArn=arn, Message=json.dumps(report))
