"""What SES tells of our mails, in the envelope of SNS or without it (pure)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from contracts.invites import FeedbackKind

_KINDS: Final[Mapping[str, FeedbackKind]] = {
    "Delivery": "delivered",
    "Bounce": "bounced",
    "Complaint": "complained",
}


class NoFeedback(ValueError):
    """This says nothing of a mail that we could keep."""


@dataclass(frozen=True, slots=True)
class Feedback:
    feedback_id: str
    kind: FeedbackKind
    permanent: bool
    at: int
    message_id: str
    invite_id: str | None
    """From the tag that the mail was sent with."""


def read(body: bytes) -> Feedback | None:
    """None for what is well formed and none of our concern, such as `Open` or `Send`.

    Raises:
        NoFeedback: in words.
    """
    told = _object(body)
    if told.get("Type") == "Notification" and isinstance(told.get("Message"), str):
        told = _object(told["Message"].encode())
    name = str(told.get("notificationType") or told.get("eventType"))
    if name == "None":
        raise NoFeedback("neither notificationType nor eventType is there")
    if (kind := _KINDS.get(name)) is None:
        return None
    mail, details = told.get("mail"), told.get(name.lower())
    if not isinstance(mail, dict) or not isinstance(details, dict):
        raise NoFeedback(f"mail or {name.lower()} is missing")
    message_id = mail.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        raise NoFeedback("mail.messageId is missing")
    return Feedback(
        feedback_id=_feedback_id(name, message_id, details),
        kind=kind,
        permanent=kind == "complained" or details.get("bounceType") == "Permanent",
        at=_seconds(details.get("timestamp") or mail.get("timestamp")),
        message_id=message_id,
        invite_id=_tag(mail.get("tags"), "invite"),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NoFeedback("this is not JSON") from error
    if not isinstance(value, dict):
        raise NoFeedback("this is not a JSON object")
    return value


def _feedback_id(name: str, message_id: str, details: Mapping[str, Any]) -> str:
    """Deliveries have no id of their own: one of each mail is enough."""
    own = details.get("feedbackId")
    if isinstance(own, str) and own:
        return hashlib.sha256(own.encode()).hexdigest()[:40]
    return f"{name.lower()}:{hashlib.sha256(message_id.encode()).hexdigest()[:32]}"


def _seconds(text: object) -> int:
    try:
        return max(0, int(datetime.fromisoformat(str(text)).timestamp()))
    except ValueError as error:
        raise NoFeedback("the timestamp cannot be read") from error


def _tag(tags: object, name: str) -> str | None:
    if not isinstance(tags, dict):
        return None
    values = tags.get(name)
    if isinstance(values, Sequence) and not isinstance(values, str) and values:
        return str(values[0])
    return None
