"""Parse what SES reports about our mails, with or without an SNS envelope (pure)."""

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


class InvalidFeedback(ValueError):
    """The message is no feedback on a mail that could be recorded."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Represent a delivery, a bounce, or a complaint."""

    feedback_id: str
    kind: FeedbackKind
    permanent: bool
    at: int
    """UNIX seconds."""
    message_id: str
    invite_id: str | None
    """From the tag with which the mail was sent."""


def parse_feedback(body: bytes) -> Feedback | None:
    """Return the feedback, or None for other reports, such as `Open` or `Send`.

    Raises:
        InvalidFeedback: with the reason.
    """
    report = _report(body)
    name = str(report.get("notificationType") or report.get("eventType"))
    if name == "None":
        raise InvalidFeedback("Neither notificationType nor eventType is present.")
    if (kind := _KINDS.get(name)) is None:
        return None
    mail, details = report.get("mail"), report.get(name.lower())
    if not isinstance(mail, dict) or not isinstance(details, dict):
        raise InvalidFeedback(f"mail or {name.lower()} is missing.")
    message_id = mail.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        raise InvalidFeedback("mail.messageId is missing.")
    return Feedback(
        feedback_id=_feedback_id(name, message_id, details),
        kind=kind,
        permanent=kind == "complained" or details.get("bounceType") == "Permanent",
        at=_seconds(details.get("timestamp") or mail.get("timestamp")),
        message_id=message_id,
        invite_id=_tag(mail.get("tags"), "invite"),
    )


def _report(body: bytes) -> dict[str, Any]:
    """Return the report, taken out of its SNS envelope if it has one."""
    report = _object(body)
    if report.get("Type") == "Notification" and isinstance(report.get("Message"), str):
        return _object(report["Message"].encode())
    return report


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidFeedback("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidFeedback("The body is not a JSON object.")
    return value


def _feedback_id(name: str, message_id: str, details: Mapping[str, Any]) -> str:
    """Return the id that SES assigned, or one per mail for deliveries, which have none."""
    feedback_id = details.get("feedbackId")
    if isinstance(feedback_id, str) and feedback_id:
        return hashlib.sha256(feedback_id.encode()).hexdigest()[:40]
    return f"{name.lower()}:{hashlib.sha256(message_id.encode()).hexdigest()[:32]}"


def _seconds(text: object) -> int:
    try:
        return max(0, int(datetime.fromisoformat(str(text)).timestamp()))
    except ValueError as error:
        raise InvalidFeedback("The timestamp is not in ISO 8601.") from error


def _tag(tags: object, name: str) -> str | None:
    if not isinstance(tags, dict):
        return None
    values = tags.get(name)
    if isinstance(values, Sequence) and not isinstance(values, str) and values:
        return str(values[0])
    return None
