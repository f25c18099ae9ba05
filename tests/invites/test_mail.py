"""Test that both parts of a mail are complete, and that user text stays text."""

import re
from dataclasses import replace
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.invites import SendInvite
from contracts.tokens import token_digest
from invites.mail import MailContent, MailProfile, compose
from invites.sanitize import WORD_JOINER
from invites.settings import Settings
from invites.tokens import Tokens
from invites.wording import locale_for

PROFILE = MailProfile(
    address="hello@vouch.example",
    product="Vouch",
    invite_url="https://vouch.example/invited#{token}",
    unsubscribe_url="https://api.vouch.example/v1/unsubscribe/{token}",
    reply_to="help@vouch.example",
)
CONTENT = MailContent(
    to="bob@example.org",
    inviter="Alice",
    inviter_email="alice@example.com",
    note="See you there!",
    code="MVA00W4CZS",
    locale="en",
    token="t" * 43,
    unsubscribe_token="u" * 43,
    expires_at=1_801_209_600,
    at=1_800_000_000,
)
HEADERS = {
    "subject", "from", "to", "reply-to", "date", "list-unsubscribe", "list-unsubscribe-post",
    "auto-submitted", "content-language", "mime-version", "content-type",
}  # fmt: skip


def received(content: MailContent) -> EmailMessage:
    """Return the mail as a mail program parses it."""
    message = BytesParser(policy=policy.default).parsebytes(compose(PROFILE, content).as_bytes())
    assert isinstance(message, EmailMessage)
    return message


def parts(message: EmailMessage) -> tuple[str, str]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


class Page(HTMLParser):
    """Collect the tags, links and text that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_both_parts_are_complete() -> None:
    message = received(CONTENT)
    text, html = parts(message)
    for part in (text, Page(html).text):
        assert "Alice would like you to join Vouch" in part
        assert "See you there!" in part
        assert "MVA00-W4CZS" in part
        assert "open for 14 days, until 29 January 2027" in part
    assert f"https://vouch.example/invited#{'t' * 43}" in text
    assert Page(html).links == [
        f"https://vouch.example/invited#{'t' * 43}",
        f"https://api.vouch.example/v1/unsubscribe/{'u' * 43}",
    ]


def test_headers_offer_one_click_unsubscribe() -> None:
    message = received(CONTENT)
    assert message["List-Unsubscribe"] == f"<https://api.vouch.example/v1/unsubscribe/{'u' * 43}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Subject"] == "Alice invites you to Vouch"
    assert message["From"] == "Vouch <hello@vouch.example>"
    assert message["Reply-To"] == "help@vouch.example"
    assert "t" * 43 not in "".join(str(value) for value in message.values())


@pytest.mark.parametrize(
    ("wanted", "locale", "word"),
    [
        ("de", "de", "lädt"),
        ("de-AT", "de", "lädt"),
        ("fr-CA", "fr", "invite à"),
        ("pt-BR", "en", "invites"),
    ],
)
def test_an_unsupported_locale_falls_back(wanted: str, locale: str, word: str) -> None:
    assert locale_for(wanted) == locale
    message = received(replace(CONTENT, locale=wanted))
    assert message["Content-Language"] == locale
    assert word in message["Subject"]


def test_an_inviter_without_a_name_is_shown_as_a_masked_address() -> None:
    message = received(replace(CONTENT, inviter=""))
    assert message["Subject"].startswith("a***@e***.com")
    assert "alice@example.com" not in "".join(parts(message))


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}{% raw %}",
        "{inviter} {0.__class__}",
        "click https://evil.example/login now",
        "www.evil.example or evil@evil.example",
        "Bob\r\nBcc: all@example.com\r\n\r\n<h1>",
        "\u202egnp.exe\u2066x\u2069",
        "nul\x00 esc\x1b[31m",
        "x" * 10_000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_hostile_text_becomes_harmless(hostile: str) -> None:
    """Bypass the contracts, which reject most of these texts."""
    plain = Page(parts(received(CONTENT))[1])
    message = received(replace(CONTENT, inviter=hostile, note=hostile))
    text, html = parts(message)
    page = Page(html)
    assert {name.lower() for name in message} == HEADERS
    assert message["To"] == "bob@example.org"
    assert set(page.tags) == set(plain.tags)
    assert page.links == plain.links
    for part in (text, page.text):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", part)
        assert not re.search(r"https?://evil|www\.evil|evil@evil", part)
        assert "49" not in part


@pytest.mark.slow
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_adds_a_header_a_tag_or_a_link(name: str, note: str) -> None:
    plain = Page(parts(received(CONTENT))[1])
    message = received(replace(CONTENT, inviter=name, note=note))
    page = Page(parts(message)[1])
    assert {each.lower() for each in message} == HEADERS
    assert set(page.tags) <= set(plain.tags)
    assert page.links == plain.links


EMOJI = (
    "👨\u200d👩\u200d👧\u200d👦", "🏳\ufe0f\u200d🌈", "\u0645\u06cc\u200c\u062e\u0648",
    "क्\u200dष", "\U0001fa77\U0001fae9",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "שלום\u200f!",
)  # fmt: skip


def invitation(name: str, note: str) -> SendInvite | None:
    """Return the command that the edge makes of these texts; None if it refuses them."""
    try:
        return SendInvite(inviter_id="alice", email="bob@example.org", name=name, note=note)
    except ValidationError:
        return None


def check_unchanged(command: SendInvite) -> None:
    message = received(replace(CONTENT, inviter=command.name, note=command.note))
    text, html = (part.replace(WORD_JOINER, "").replace("\r\n", "\n") for part in parts(message))
    inviter = command.name or "a***@e***.com"
    (raw,) = (value for name, value in message.raw_items() if name == "Subject")
    subject = str(make_header(decode_header(raw)))
    assert subject == f"{inviter} invites you to Vouch"
    assert f"\n{inviter} would like you to join Vouch." in text
    if command.note:
        quoted = "".join(f"> {line}\n" for line in command.note.split("\n"))
        assert f"They write:\n{quoted}" in text
    shown = [line.strip() for line in Page(html).text.split("\n")]
    assert f"{inviter} would like you to join Vouch.".strip() in shown
    for line in command.note.split("\n"):
        assert line.strip() in shown


@pytest.mark.parametrize("text", EMOJI)
def test_emoji_and_joiners_arrive_unchanged(text: str) -> None:
    command = invitation(text, f"{text}\n\n  {text} {text}")
    assert command is not None
    assert command.name == text
    check_unchanged(command)


NAMES = st.text(max_size=80) | st.lists(
    st.sampled_from([*EMOJI, " ", "=?utf-8?q?=0AEvil?=", "=?", "é", "a", '"', "\u00a0"]), max_size=8
).map("".join)
NOTES = st.lists(NAMES, max_size=3).map("\n".join)


@pytest.mark.slow
@given(NAMES, NOTES)
@example("=?utf-8?q?Bob=0D=0ABcc=3A_x=40example.com?=", "=?utf-8?b?PGgxPg==?=")
@example("a  b", "  indented\n\n> quoted\n-- \nFrom me")
@example("\u00a0x" * 30, "x" * 280)
def test_every_text_that_the_edge_accepts_arrives_unchanged(name: str, note: str) -> None:
    command = invitation(name, note)
    if command is not None:
        check_unchanged(command)


def test_a_domain_is_mailed_as_a_labels() -> None:
    raw = compose(PROFILE, replace(CONTENT, to="fresh@bücher.example")).as_bytes()
    assert b"\r\nTo: fresh@xn--bcher-kva.example\r\n" in raw


def test_a_sender_with_an_international_domain_is_mailed_as_a_labels() -> None:
    values: dict[str, Any] = {
        "invites_key": "k" * 32, "mail_from": "hi@bücher.example", "mail_reply_to": "hi@例子.广告"
    }  # fmt: skip
    raw = compose(Settings(**values).mail_profile, CONTENT).as_bytes()
    assert b"\r\nFrom: Vouch <hi@xn--bcher-kva.example>\r\n" in raw
    assert b"\r\nReply-To: hi@xn--fsqu00a.xn--4rr70v\r\n" in raw


@pytest.mark.parametrize("to", ["jörg@example.com", "bob@corp.local", "a\r\nBcc: x@example.com"])
def test_an_address_that_gets_no_mail_is_refused(to: str) -> None:
    """Older versions have stored such addresses."""
    with pytest.raises(ValueError, match=r"before the @|domain"):
        compose(PROFILE, replace(CONTENT, to=to))


@pytest.mark.parametrize(
    "link",
    ["evil\u200d.com", "evil.\u200dcom", "evil\u200e.example", "evil。com", "a\u200d@evil.example"],
)
def test_an_invisible_character_does_not_restore_a_link(link: str) -> None:
    text, html = parts(received(replace(CONTENT, note=f"see {link}")))
    for part in (text, Page(html).text):
        assert link not in part
        visible = re.sub("[\u200c-\u200f]", "", part)
        assert not re.search(r"evil[.。]com|evil\.example", visible)


def test_tokens_have_256_bits_and_one_purpose() -> None:
    tokens = Tokens(b"k" * 32)
    made = {tokens.invite("a", 1), tokens.invite("a", 2), tokens.invite("b", 1)}
    made |= {tokens.unsubscribe("a"), tokens.unsubscribe("b"), Tokens(b"l" * 32).invite("a", 1)}
    assert len(made) == 6
    assert {len(token) for token in made} == {43}
    assert len(token_digest(tokens.invite("a", 1))) == 64
    assert "k" * 8 not in repr(tokens)
    assert tokens.address_key("Bob@Example.org ") == tokens.address_key("bob@example.org")
    assert tokens.address_key("b.o.b+x@googlemail.com") == tokens.address_key("bob@gmail.com")
    assert tokens.address_keys("bob@example.org") == (tokens.address_key("bob@example.org"),)
