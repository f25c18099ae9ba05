"""Receive the mails that the invites service sends, in place of SES."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Inbox:
    """A mail provider that stores mails, or fails as planned."""

    mails: list[EmailMessage] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    plan: list[BaseException] = field(default_factory=list)
    """Errors of the next calls."""
    recipients: list[str] = field(default_factory=list)
    calls: int = 0

    async def send(self, to: str, message: bytes, tags: dict[str, str]) -> str:
        self.calls += 1
        if self.plan:
            raise self.plan.pop(0)
        mail = message_from_bytes(message, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        assert mail["To"] == to
        self.mails.append(mail)
        self.tags.append(tags)
        self.recipients.append(to)
        return f"m-{len(self.mails)}"

    def token(self, number: int = -1) -> str:
        text = self.mails[number].get_body(("plain",))
        assert text is not None
        token: str = text.get_content().split("invited#")[1].split()[0]
        return token

    def unsubscribe_token(self, number: int = -1) -> str:
        header: str = self.mails[number]["List-Unsubscribe"]
        return header.rpartition("/")[2].rstrip(">")
