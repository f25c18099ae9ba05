"""Texts that people write in any script are accepted; what deceives a reader is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.texts import is_visible, lines, one_line, without_forbidden

ACCEPTED = {
    "a family, which is held together by joiners": "👨‍👩‍👧‍👦 See you",
    "a flag with a joiner and a variation selector": "🏳️‍🌈",
    "a flag that is spelled with tags": "\U0001f3f4"
    "\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "Persian with a non-joiner": "می‌خواهم",
    "Hindi with a joiner": "क्‍ष",
    "Hebrew with a mark": "שלום!\u200f Bob\u200e",
    "an emoji of 2022": "\U0001fa77\U0001fae8",
    "an emoji of 2024": "\U0001fae9",
    "a code point for a future emoji": "\U0001fadd\U0001f8b5",
    "a keycap": "1️⃣",
    "a skin tone": "👍🏽",
    "an ideographic variation": "葛\U000e0100",
    "an Arabic number sign": "\u0600123",
}
REFUSED = {
    **{f"U+{code:04X}": code for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **{f"U+{code:04X}": code for code in (0, 7, 9, 11, 12, 13, 0x1B, 0x7F, 0x85, 0x9F)},
    "line separator": 0x2028,
    "paragraph separator": 0x2029,
    "zero width space": 0x200B,
    "byte order mark": 0xFEFF,
    "soft hyphen": 0xAD,
    "word joiner": 0x2060,
    "unused format character": 0x2065,
    "tag outside of a flag": 0xE0041,
    "language tag": 0xE0001,
    "private use": 0xE000,
    "non-character": 0xFDD0,
    "last non-character": 0x10FFFF,
    "lone surrogate": 0xD800,
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_text_of_every_script_and_emoji_is_accepted_unchanged(text: str) -> None:
    assert one_line(text) == text
    assert lines(f"{text}\r\n{text}") == f"{text}\n{text}"
    assert without_forbidden(text) == text


@pytest.mark.parametrize("code", REFUSED.values(), ids=REFUSED)
def test_controls_and_invisible_characters_are_refused_by_name(code: int) -> None:
    text = f"a{chr(code)}b"
    for check in (one_line, lines):
        with pytest.raises(ValueError, match=rf"U\+{code:04X}"):
            check(text)
    assert without_forbidden(text) == ("a\nb" if code == 13 else "ab")


def test_the_error_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"a tab \(U\+0009\)\. Replace it"):
        lines("a\tb")
    with pytest.raises(ValueError, match=r"right-to-left override \(U\+202E\)\. Remove it"):
        one_line("\u202egnp.exe")


@pytest.mark.parametrize("text", ["\u200d\u200d", "\u3164", "\u2800 \u200e", "\u0301"])
def test_a_line_of_invisible_characters_only_is_refused(text: str) -> None:
    assert not is_visible(text)
    with pytest.raises(ValueError, match="invisible"):
        one_line(text)


def test_an_empty_text_is_accepted() -> None:
    assert one_line("  ") == lines("\r\n") == ""


@given(st.text())
def test_what_is_accepted_stays_unchanged_and_what_is_refused_is_removed(text: str) -> None:
    clean = without_forbidden(text)
    assert lines(clean) == clean
    assert without_forbidden(clean) == clean
    try:
        accepted = lines(text)
    except ValueError:
        assert clean != text
    else:
        assert accepted == clean
