"""Validate the names that members choose, and that strangers see on the leaderboards.

A name is one line of visible text in any script. It identifies no one: several members may have
the same name. It contains no `@`, so that it is never taken for an address.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from contracts.texts import BLANK_LETTERS, one_line

MAX_CHARACTERS: Final = 40
MAX_MARKS: Final = 3
"""Accents on one letter: more than any script needs would cover the rows around the name."""
_MOST_TYPED: Final = 4 * MAX_CHARACTERS
"""Characters before normalisation; a longer text is too long in every form."""
_NEVER_VISIBLE: Final = frozenset("\u200e\u200f\u061c\u034f\U00016fe4\U0001d159")
"""Marks that only reorder text, and characters of visible categories that show nothing."""
_JOINERS: Final = frozenset("\u200c\u200d\u180e")
_JOINED_BEFORE: Final = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
_JOINED_AFTER: Final = frozenset({"Lo", "So"})
"""Joiners are visible in emoji, and in scripts whose letters have no case (Persian, Sinhala)."""
_SELECTED: Final = frozenset({"Lo", "So", "Sm", "Nd", "Po", "Pd"})
"""What a variation selector may follow: emoji, digits of keycaps, ideographs."""
_SELECTORS: Final = re.compile("[\ufe00-\ufe0f\u180b-\u180d\u180f\U000e0100-\U000e01ef]")
"""Choose a form of the character before them, and show nothing themselves."""
_MARKS: Final = frozenset({"Mn", "Me", "Mc"})


def display_name(text: str) -> str:
    """Return a name in the form that is stored: NFC, with single spaces.

    Raises:
        ValueError: with a text that says what to do; it does not repeat the name.
    """
    if len(text) > _MOST_TYPED:
        raise _too_long()
    name = unicodedata.normalize("NFC", " ".join(one_line(text).split()))
    if not name:
        raise ValueError("This name is empty. Enter a name, or null to have none.")
    if len(name) > MAX_CHARACTERS:
        raise _too_long()
    if "@" in unicodedata.normalize("NFKC", name):
        raise ValueError("A name cannot contain @: it could be taken for an address. Remove it.")
    for symbol in _invisible(name):
        raise ValueError(
            f"This name contains an invisible character (U+{ord(symbol):04X}). Remove it."
        )
    if _most_marks(name) > MAX_MARKS or unicodedata.category(name[0]) in _MARKS:
        raise ValueError("This name has too many accents in one place. Remove some of them.")
    return name


def _too_long() -> ValueError:
    return ValueError(f"A name has at most {MAX_CHARACTERS} characters. Shorten it.")


def _invisible(name: str) -> Iterator[str]:
    """Yield the characters that a reader does not see where they are."""
    for at, symbol in enumerate(name):
        before = unicodedata.category(name[at - 1]) if at else ""
        after = unicodedata.category(name[at + 1]) if at + 1 < len(name) else ""
        if symbol in _JOINERS:
            visible = before in _JOINED_BEFORE and after in _JOINED_AFTER
        elif _SELECTORS.match(symbol):
            visible = before in _SELECTED
        else:
            visible = symbol not in _NEVER_VISIBLE and symbol not in BLANK_LETTERS
        if not visible:
            yield symbol


def _most_marks(name: str) -> int:
    """Return the greatest number of marks in a row that take no space of their own."""
    most = run = 0
    for symbol in name:
        run = run + 1 if unicodedata.category(symbol) in ("Mn", "Me") else 0
        most = max(most, run)
    return most
