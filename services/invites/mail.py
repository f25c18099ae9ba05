"""Compose an invitation mail, as HTML and as text, in the recipient's language (pure).

What people wrote appears as text only: escaped in HTML, without invisible characters, and with
word joiners in anything that a mail program would turn into a link.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from contracts.addresses import mail_address, masked
from contracts.referral_code import shown
from contracts.texts import without_forbidden
from invites.headers import MAX_LINE, add_header
from invites.rules import DAY
from invites.sanitize import break_links
from invites.wording import Phrases, phrases_for

_POLICY: Final = SMTP.clone(max_line_length=MAX_LINE)
"""Long lines, since some mail programs cannot read a folded URL in `List-Unsubscribe`."""
_MAX_NAME: Final = 80
_TEMPLATES: Final = Environment(
    loader=PackageLoader("invites"),
    autoescape=select_autoescape(enabled_extensions=("html.j2",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class MailProfile:
    """Hold the settings that all mails have in common."""

    address: str
    product: str
    invite_url: str
    """Contains `{token}`, best in the fragment, which reaches no server and no log."""
    unsubscribe_url: str
    """Contains `{token}`."""
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class MailContent:
    """Hold the variable content of a mail."""

    to: str
    """The address as it was typed; the mail has its domain as A-labels."""
    inviter: str
    """Name of the inviter; if empty, their masked address."""
    inviter_email: str
    note: str
    code: str | None
    locale: str
    token: str
    unsubscribe_token: str
    expires_at: int
    at: int
    """UNIX seconds at which the mail is written."""
    reminder: bool = False


def compose(profile: MailProfile, content: MailContent) -> EmailMessage:
    """Return the complete message with its headers; both parts have the same content.

    Raises:
        ValueError: no mail can be sent to the address; older versions accepted more of them.
    """
    locale, phrases = phrases_for(content.locale)
    inviter = _inviter_name(content)
    subject = _subject(phrases, profile, content, inviter)
    unsubscribe_url = profile.unsubscribe_url.format(token=content.unsubscribe_token)
    message = EmailMessage(policy=_POLICY)
    add_header(message, "Subject", subject)
    _add_headers(message, profile, content, unsubscribe_url)
    _add_parts(
        message,
        {
            "say": _sentences(phrases, profile, content, break_links(inviter)),
            "locale": locale,
            "subject": break_links(subject),
            "product": profile.product,
            "note": break_links(without_forbidden(content.note)),
            "accept_url": profile.invite_url.format(token=content.token),
            "unsubscribe_url": unsubscribe_url,
        },
    )
    message["Content-Language"] = locale
    return message


def _inviter_name(content: MailContent) -> str:
    name = without_forbidden(content.inviter).replace("\n", " ")[:_MAX_NAME].strip()
    return name or masked(content.inviter_email)


def _subject(phrases: Phrases, profile: MailProfile, content: MailContent, inviter: str) -> str:
    pattern = phrases["reminder_subject" if content.reminder else "subject"]
    return str(pattern.format(inviter=inviter, product=profile.product))


def _add_headers(
    message: EmailMessage, profile: MailProfile, content: MailContent, unsubscribe_url: str
) -> None:
    message["From"] = Address(profile.product, addr_spec=profile.address)
    add_header(message, "To", mail_address(content.to))
    if profile.reply_to:
        message["Reply-To"] = Address(addr_spec=profile.reply_to)
    message["Date"] = datetime.fromtimestamp(content.at, UTC)
    message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"


def _add_parts(message: EmailMessage, variables: Mapping[str, object]) -> None:
    text = _TEMPLATES.get_template("invite.txt.j2").render(variables)
    html = _TEMPLATES.get_template("invite.html.j2").render(variables)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")


def _sentences(
    phrases: Phrases, profile: MailProfile, content: MailContent, inviter: str
) -> dict[str, str]:
    """Return the phrases with their values filled in; the templates escape them."""
    days = max(1, round((content.expires_at - content.at) / DAY))
    values = {
        "inviter": inviter,
        "product": profile.product,
        "days": days,
        "date": _date(phrases, content.expires_at),
    }
    names = ("greeting", "lead", "note", "accept", "ignore", "unsubscribe")
    return {
        **{name: phrases[name].format(**values) for name in names},
        "code": phrases["code"].format(code=shown(content.code)) if content.code else "",
        "expiry": phrases["expiry_one" if days == 1 else "expiry"].format(**values),
    }


def _date(phrases: Phrases, at: int) -> str:
    date = datetime.fromtimestamp(at, UTC)
    month = phrases["months"][date.month - 1]
    return str(phrases["date"].format(day=date.day, month=month, year=date.year))
