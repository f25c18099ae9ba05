"""Decide which characters people may use in names, notes and addresses.

One rule serves the edge, which rejects a text, and the composer of mails, which removes the
characters from texts that older versions have stored. What the edge accepts is mailed unchanged.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, format characters, private use, surrogates, line and paragraph
separators. An unassigned character (Cn) is no reason to refuse: it may be an emoji that is newer
than Python's tables."""
_FORMAT_CHARACTERS: Final = frozenset(
    "\u200c\u200d"  # joiners: emoji families, Persian, Indic scripts
    "\u200e\u200f\u061c"  # marks within Hebrew and Arabic; they reorder no other text
    "\u180e"  # Mongolian vowel separator
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u0890\u0891\u08e2\U000110bd\U000110cd"  # visible
)
_FLAG: Final = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
"""A flag of a region, such as Scotland: the only place where tag characters are allowed."""
_SYMBOL: Final = re.compile(f"{_FLAG}|.", re.DOTALL)
_UNUSED_FORMAT: Final = re.compile(
    "[\u2065\ufdd0-\ufdef\ufff0-\ufff8\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
"""Unassigned characters that are invisible by definition, and non-characters."""
_LAST_OF_PLANE: Final = 0xFFFE
"""The last two code points of each plane are non-characters."""
BLANK_LETTERS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters of visible categories that look like a space."""
_NAMES: Final[Mapping[str, str]] = {"\t": "a tab", "\n": "a line break", "\r": "a line break"}


def _symbols(text: str) -> Iterator[str]:
    """Yield the characters of a text; a flag that is spelled with tags is one of them."""
    return (match.group() for match in _SYMBOL.finditer(text))


def _is_allowed(symbol: str) -> bool:
    if len(symbol) > 1 or symbol in _FORMAT_CHARACTERS:
        return True
    if unicodedata.category(symbol) in _FORBIDDEN:
        return False
    is_non_character = ord(symbol) & _LAST_OF_PLANE == _LAST_OF_PLANE
    return not is_non_character and not _UNUSED_FORMAT.match(symbol)


def _is_plain(text: str) -> bool:
    """Return whether a text has only visible ASCII characters and spaces, which are all allowed."""
    return text.isascii() and text.isprintable()


def one_line(text: str) -> str:
    """Return a line of text without surrounding spaces.

    Raises:
        ValueError: it contains a line break or another forbidden character, or it is not empty
            but nothing of it is visible.
    """
    line = text.strip()
    if _is_plain(text):
        return line
    for symbol in _symbols(text):
        if not _is_allowed(symbol):
            raise ValueError(_explanation(symbol))
    if line and not is_visible(line):
        raise ValueError("This text is invisible. Use at least one visible character.")
    return line


def lines(text: str) -> str:
    """Return text of some lines, which end in LF, without surrounding spaces.

    Raises:
        ValueError: it contains a forbidden character.
    """
    unix = text.replace("\r\n", "\n")
    for symbol in _symbols(unix):
        if symbol != "\n" and not _is_allowed(symbol):
            raise ValueError(_explanation(symbol))
    return unix.strip()


def without_forbidden(text: str) -> str:
    """Return the text without forbidden characters; line breaks stay."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        symbol for symbol in _symbols(unix) if symbol == "\n" or _is_allowed(symbol)
    ).strip()


def is_visible(text: str) -> bool:
    """Return whether a reader sees anything of the text."""
    return any(
        not character.isspace()
        and character not in BLANK_LETTERS
        and unicodedata.category(character) not in ("Cf", "Mn", "Me")
        for character in text
    )


def _explanation(symbol: str) -> str:
    code = f"U+{ord(symbol):04X}"
    name = _NAMES.get(symbol) or unicodedata.name(symbol, "an invisible control character").lower()
    if symbol in _NAMES:
        return f"This text contains {name} ({code}). Replace it with a space."
    return f"This text contains an invisible character: {name} ({code}). Remove it."
