"""An invitation as a mail: HTML and text of one content, in the reader's language (pure).

What people wrote stands in it as text: escaped in HTML, without signs that steer their neighbours,
and with an invisible joiner in whatever a mail program would turn into a link.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from contracts.addresses import masked
from contracts.referral_code import shown

FALLBACK: Final = "en"
DAY: Final = 86_400
_LINK_SIGNS: Final = re.compile(r"(?<=\w)([.:@])(?=[\w/])")
_JOINED: Final = "\\1\u2060"
_STEERING: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})

_POLICY: Final = SMTP.clone(max_line_length=400)
"""A folded address of `List-Unsubscribe` is one that some mail programs cannot read."""
_LONGEST_NAME: Final = 80
_TEMPLATES: Final = Environment(
    loader=PackageLoader("invites"),
    autoescape=select_autoescape(enabled_extensions=("html.j2",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Sender:
    """What all mails have in common; from the settings."""

    address: str
    product: str
    invite_url: str
    """With {token}; as a fragment it reaches no server and no log."""
    unsubscribe_url: str
    """With {token}."""
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What one mail says."""

    to: str
    inviter: str
    """How it calls the inviter."""
    inviter_email: str
    note: str
    code: str | None
    locale: str
    token: str
    unsubscribe_token: str
    expires_at: int
    at: int
    reminder: bool = False


def compose(sender: Sender, content: Content) -> EmailMessage:
    """The whole message with its headers; the body's parts say the same."""
    locale, phrases = _phrases(content.locale)
    inviter = harmless(content.inviter).replace("\n", " ")[:_LONGEST_NAME] or masked(
        content.inviter_email
    )
    say = _said(phrases, sender, content, inert(inviter))
    subject = _subject(phrases, sender, content, inviter)
    unsubscribe = sender.unsubscribe_url.format(token=content.unsubscribe_token)
    words = {
        "say": say,
        "locale": locale,
        "subject": inert(subject),
        "product": sender.product,
        "note": inert(harmless(content.note)),
        "accept_url": sender.invite_url.format(token=content.token),
        "unsubscribe_url": unsubscribe,
    }
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = subject
    message["From"] = Address(sender.product, addr_spec=sender.address)
    message["To"] = Address(addr_spec=content.to)
    if sender.reply_to:
        message["Reply-To"] = Address(addr_spec=sender.reply_to)
    message["Date"] = datetime.fromtimestamp(content.at, UTC)
    message["List-Unsubscribe"] = f"<{unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"
    text = _TEMPLATES.get_template("invite.txt.j2").render(words)
    html = _TEMPLATES.get_template("invite.html.j2").render(words)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = locale
    return message


def harmless(text: str) -> str:
    """Without controls, direction marks and invisible signs; lines stay lines.

    New messages are refused with them. This is for what an older one may have let in.
    """
    kept = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        sign for sign in kept if sign == "\n" or unicodedata.category(sign) not in _STEERING
    ).strip()


def inert(text: str) -> str:
    """Reads the same, and no mail program makes a link of it."""
    return _LINK_SIGNS.sub(_JOINED, text)


def locale_for(wanted: str) -> str:
    """The nearest locale that there are words for: de-AT, de, en."""
    known = _all_phrases()
    parts = wanted.lower().split("-")
    for count in range(len(parts), 0, -1):
        if (name := "-".join(parts[:count])) in known:
            return name
    return FALLBACK


def _phrases(wanted: str) -> tuple[str, Mapping[str, Any]]:
    locale = locale_for(wanted)
    return locale, _all_phrases()[locale]


@cache
def _all_phrases() -> Mapping[str, Mapping[str, Any]]:
    folder = files("invites").joinpath("phrases")
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }


def _subject(phrases: Mapping[str, Any], sender: Sender, content: Content, inviter: str) -> str:
    pattern = phrases["reminder_subject" if content.reminder else "subject"]
    return str(pattern.format(inviter=inviter, product=sender.product))


def _said(
    phrases: Mapping[str, Any], sender: Sender, content: Content, inviter: str
) -> dict[str, str]:
    """The phrases with what they are about; escaping is the templates' work."""
    left = max(1, round((content.expires_at - content.at) / DAY))
    end = datetime.fromtimestamp(content.expires_at, UTC)
    date = phrases["date"].format(
        day=end.day, month=phrases["months"][end.month - 1], year=end.year
    )
    about = {"inviter": inviter, "product": sender.product, "days": left, "date": date}
    code = phrases["code"].format(code=shown(content.code)) if content.code else ""
    expiry = phrases["expiry_one" if left == 1 else "expiry"].format(**about)
    plain = {
        name: phrases[name].format(**about)
        for name in ("greeting", "lead", "note", "accept", "ignore", "unsubscribe")
    }
    return plain | {"code": code, "expiry": expiry}
