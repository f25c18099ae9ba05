"""Parse what SES reports about our mails, with or without an SNS envelope (pure)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from contracts.invites import FeedbackKind

REPORTS: Final[Mapping[str, tuple[FeedbackKind, str]]] = {
    "Delivery": ("delivered", "delivery"),
    "DeliveryDelay": ("delayed", "deliveryDelay"),
    "Bounce": ("bounced", "bounce"),
    "Reject": ("rejected", "reject"),
    "Rendering Failure": ("rejected", "failure"),
    "Complaint": ("complained", "complaint"),
}
"""Type of a report -> what it means, and the member that has the details."""
_NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure"})
"""Types of feedback in which the recipient does not object to the mail: it was taken out of the
spam folder, or a server reports that a signature was wrong."""
MAX_REASON: Final = 100
MAX_DIGITS: Final = 9


class InvalidFeedback(ValueError):
    """The message is no feedback on a mail that could be recorded."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Represent a delivery, a delay, a bounce, a rejection, or a complaint."""

    feedback_id: str
    kind: FeedbackKind
    permanent: bool
    at: int
    """UNIX seconds."""
    message_id: str
    invite_id: str | None
    """From the tag with which the mail was sent."""
    mail: int | None
    """Number of the mail, from its tag."""
    because: str
    """Type and subtype, such as `Permanent/NoEmail`."""


def parse_feedback(body: bytes) -> Feedback | None:
    """Return the feedback, or None for other reports, such as `Open`, `Send` or `not-spam`.

    Raises:
        InvalidFeedback: with the reason.
    """
    report = _report(body)
    name = str(report.get("notificationType") or report.get("eventType"))
    if name == "None":
        raise InvalidFeedback("Neither notificationType nor eventType is present.")
    if name not in REPORTS:
        return None
    kind, member = REPORTS[name]
    mail, details = report.get("mail"), report.get(member)
    if not isinstance(mail, dict) or not isinstance(details, dict):
        raise InvalidFeedback(f"mail or {member} is missing.")
    if kind == "complained" and str(details.get("complaintFeedbackType")) in _NO_COMPLAINTS:
        return None
    message_id = mail.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        raise InvalidFeedback("mail.messageId is missing.")
    return Feedback(
        feedback_id=_feedback_id(name, message_id, details),
        kind=kind,
        permanent=kind == "complained" or details.get("bounceType") == "Permanent",
        mail=_number(_tag(mail.get("tags"), "mail")),
        because=_because(name, details),
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


def _because(name: str, details: Mapping[str, Any]) -> str:
    """Return what SES calls this report, without texts of servers, which may name an address."""
    members = ("bounceType", "bounceSubType", "delayType", "complaintFeedbackType")
    found = [str(details[member]) for member in members if isinstance(details.get(member), str)]
    return "/".join(found or [name])[:MAX_REASON]


def _number(tag: str | None) -> int | None:
    return int(tag) if tag and tag.isascii() and tag.isdigit() and len(tag) < MAX_DIGITS else None


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
