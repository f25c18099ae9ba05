"""Names of every script are accepted; what deceives or disturbs strangers who see them is not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.display_names import MAX_CHARACTERS, display_name

ACCEPTED = {
    "latin": "Zoë Müller-O\u2019Brien Jr.",
    "Vietnamese": "Nguyễn Thị Ánh",
    "Persian with a non-joiner": "علی‌رضا",
    "Sinhala with a joiner": "ශ්‍රී",
    "Hebrew with points": "שָׁלוֹם",
    "Thai": "กรุงเทพฯ",
    "Japanese with a variation": "葛\U000e0100飾",
    "family": "👨‍👩‍👧‍👦",
    "rainbow flag": "🏳️‍🌈 Al",
    "heart on fire": "❤️‍🔥",
    "astronaut": "👩🏽‍🚀",
    "keycap": "1️⃣",
    "flag of Scotland": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "digits": "42",
    "markup, which is text": "<b onclick=alert(1)>&amp;",
}
REFUSED = {
    "empty": "",
    "spaces": " \u3000 ",
    "line break": "Al\nice",
    "carriage return": "Al\rice",
    "tab": "Al\tice",
    "line separator": "Al\u2028ice",
    "null": "Al\0ice",
    "escape": "Al\x1b[31mice",
    "C1 control": "Al\x9fice",
    "right-to-left override": "Al\u202eice",
    "isolate": "Al\u2066ice",
    "left-to-right mark": "Al\u200eice",
    "right-to-left mark": "Al\u200fice",
    "Arabic letter mark": "Al\u061cice",
    "zero width space": "Al\u200bice",
    "joiner in Latin": "Al\u200dice",
    "non-joiner at the end": "Ali\u200c",
    "soft hyphen": "Al\u00adice",
    "byte order mark": "\ufeffAlice",
    "combining grapheme joiner": "Al\u034fice",
    "variation selector after a letter": "Al\ufe0fice",
    "Mongolian selector after a letter": "Al\u180bice",
    "Hangul filler": "Al\u3164ice",
    "Braille blank": "\u2800Al",
    "musical blank": "Al\U0001d159",
    "tag outside of a flag": "Al\U000e0041",
    "private use": "Al\ue000",
    "non-character": "Al\ufdd0",
    "lone surrogate": "Al\ud800",
    "stacked marks": "A" + "\u0336" * 4,
    "mark without a letter": "\u0301lice",
    "address": "alice@example.com",
    "masked address": "a***@e***.com",
    "full-width address": "alice\uff20example.com",
    "small at sign": "alice\ufe6bexample.com",
    "too long": "a" * (MAX_CHARACTERS + 1),
    "far too long": "a" * 100_000,
}


@pytest.mark.parametrize("name", ACCEPTED.values(), ids=ACCEPTED)
def test_names_of_every_script_are_accepted_unchanged(name: str) -> None:
    assert display_name(name) == name


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)
def test_names_that_deceive_or_disturb_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^[AT].*\.") as refused:
        display_name(name)
    assert "example" not in str(refused.value)


def test_spaces_are_collapsed_and_accents_composed() -> None:
    assert display_name("  Zoe\u0308 \u00a0 \u3000M. ") == "Zoë M."


def test_a_name_has_at_most_forty_characters_in_its_composed_form() -> None:
    assert display_name("e\u0301" * MAX_CHARACTERS) == "é" * MAX_CHARACTERS


@given(st.text(max_size=60))
def test_a_name_is_one_bounded_visible_line_or_is_refused(text: str) -> None:
    try:
        name = display_name(text)
    except ValueError:
        return
    assert 1 <= len(name) <= MAX_CHARACTERS
    assert unicodedata.is_normalized("NFC", name)
    assert name == " ".join(name.split(" ")).strip() == name.strip()
    assert len(name.splitlines()) == 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Zl", "Zp") for c in name)
    assert not any(unicodedata.bidirectional(c) in BIDI_CONTROLS for c in name)
    assert "@" not in unicodedata.normalize("NFKC", name)
    assert display_name(name) == name


BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(alphabet="aé \u0301\u200d\u200e\u202e\ufe0f\u3164@\uff20👍🏽ب\n", max_size=12))
def test_what_is_accepted_stays_the_same_when_it_is_set_again(text: str) -> None:
    try:
        name = display_name(text)
    except ValueError:
        return
    assert display_name(name) == name
    assert not set(name) & set("\u200e\u202e\u3164@\uff20\n")
