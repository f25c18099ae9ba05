"""A typed address gets mail or is refused with advice; a verified one is stored as it is."""

import contextlib
import re
from email.headerregistry import Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.addresses import (
    digest,
    folded,
    mail_address,
    masked,
    typed_address,
    verified_address,
)
from contracts.messages import EmailAddress, VerifiedAddress

INTRANET = [
    "sam@corp.local", "root@localhost", "sam@office.test", "sam@home.arpa",
    '"sam smith"@example.com', "sam@[192.0.2.1]", "sam@intranet", "jörg@example.com",
    "用户@例子.广告", "fiona.o\u2019brien@example.net", "sam@x_y.example.com", "a..b@example.com",
]  # fmt: skip
LOCAL = st.text(max_size=70) | st.from_regex(r"[A-Za-z0-9.+'_-]{1,70}", fullmatch=True)
DOMAIN = (
    st.sampled_from(
        ["example.com", "Bücher.example", "xn--bcher-kva.example", "例子.广告", "corp.local", "a.b"]
    )
    | st.text(max_size=70)
    | st.from_regex(r"[A-Za-z0-9-]{1,64}\.[a-z]{1,10}", fullmatch=True)
)
ADDRESSES = st.text(max_size=300) | st.builds("{}@{}".format, LOCAL, DOMAIN)


@pytest.mark.parametrize(
    ("text", "stored", "mailed"),
    [
        ("Bob@Example.com ", "bob@example.com", "bob@example.com"),
        ("Bob Smith <bob@example.com>", "bob@example.com", "bob@example.com"),
        ("o'brien+x@example.com", "o'brien+x@example.com", "o'brien+x@example.com"),
        ("fresh@Bücher.example", "fresh@bücher.example", "fresh@xn--bcher-kva.example"),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        ("x@straße.de", "x@straße.de", "x@xn--strae-oqa.de"),
        ("a@例子。广告", "a@例子。广告", "a@xn--fsqu00a.xn--4rr70v"),
    ],
)
def test_an_address_is_stored_as_typed_and_mailed_in_ascii(
    text: str, stored: str, mailed: str
) -> None:
    assert typed_address(text) == stored
    assert mail_address(stored) == mailed


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("bob", "complete"),
        ("@example.com", "complete"),
        ("bob@", "complete"),
        ("fiona.o\u2019brien@example.net", "curly"),
        ("jörg@example.com", "accents"),
        ("用户@例子.广告", "accents"),
        ('"sam smith"@example.com', "quote"),
        ("sam smith@example.com", "space"),
        (".sam@example.com", "dot"),
        ("a\r\nBcc: x@example.com", "not allowed"),
        ("=?utf-8?q?x?=@example.com", "not allowed"),
        ("sam@corp.local", "public domain"),
        ("root@localhost", "public domain"),
        ("sam@[192.0.2.1]", "public domain"),
        ("sam@xn--zz.example", "public domain"),
        (f"{'x' * 65}@example.com", "64"),
        (f"sam@{'x' * 60}.{'y' * 60}.{'z' * 60}.{'a' * 60}.{'b' * 60}.com", "254"),
        (f"sam@{'ü' * 40}.{'ü' * 40}.{'ü' * 40}.{'ü' * 40}.{'ü' * 40}.com", "254|public"),
    ],
)
def test_an_address_that_gets_no_mail_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(EmailAddress).validate_python(text)
    assert re.search(advice, caught.value.errors()[0]["msg"])


@pytest.mark.parametrize("address", INTRANET)
def test_an_address_that_the_pool_has_verified_is_accepted(address: str) -> None:
    assert TypeAdapter(VerifiedAddress).validate_python(address) == address.lower()
    assert folded(address)
    assert masked(address).count("@") == 1
    assert "smith" not in masked(address)


@pytest.mark.parametrize(
    "address",
    ["", "sam", "@x", "sam@", "a\x00b@example.com", "a\n@example.com", "\u202ea@example.com",
     f"{'x' * 300}@example.com", "sam@example.com\u2028", "\ud800@example.com"],
)  # fmt: skip
def test_a_verified_address_that_cannot_be_stored_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        verified_address(address)


@given(ADDRESSES)
@example("Bob@İx.com")
@example("a@ß.de")
@example("K@example.com")
def test_every_text_is_an_address_or_is_refused(text: str) -> None:
    """What is accepted can be mailed, stored again and compared; nothing else is raised."""
    folded(text)
    masked(text)
    with contextlib.suppress(ValueError):
        stored = verified_address(text)
        assert verified_address(stored) == stored
    with contextlib.suppress(ValueError):
        typed = typed_address(text)
        assert typed_address(typed) == typed
        assert verified_address(typed) == typed
        mailed = mail_address(typed)
        assert mailed.isascii()
        assert str(Address(addr_spec=mailed)) == mailed
        assert folded(mailed) == folded(typed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pat@example.com", "Pat+news@Example.com"),
        ("p.a.t@gmail.com", "pat+x@googlemail.com"),
        ("pat@bücher.example", "PAT@xn--bcher-kva.example"),
        ("pat@bücher.example", "pat@BÜCHER。example"),
        ("pat@straße.de", "pat@xn--strae-oqa.de"),
    ],
)
def test_spellings_of_one_address_are_equal(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert digest(one) == digest(other)


def test_the_digest_of_a_stored_address_has_not_changed() -> None:
    """Claims and ids in the log contain it."""
    assert folded("jo@bücher.example") == "jo@bücher.example"
    assert digest("alice+x@example.com") == "ff8d9819fc0e12bf0d24892e45987e24"


def test_no_error_repeats_the_address() -> None:
    for model, text in ((EmailAddress, "secret@corp.local"), (VerifiedAddress, "secret\x00@a.b")):
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(model).validate_python(text)
        assert "secret" not in caught.value.errors()[0]["msg"]
