"""Make text that people wrote harmless inside a mail (pure)."""

import re
import unicodedata
from typing import Final

_LINK_CHARACTERS: Final = re.compile(r"(?<=\w)([.:@])(?=[\w/])")
_WITH_WORD_JOINER: Final = "\\1\u2060"
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories of controls, direction marks, and other invisible characters."""


def strip_invisible(text: str) -> str:
    """Remove controls, direction marks and invisible characters, but keep line breaks.

    The contracts reject them in new messages; stored events of older versions may have them.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character
        for character in lines
        if character == "\n" or unicodedata.category(character) not in _INVISIBLE
    ).strip()


def break_links(text: str) -> str:
    """Insert invisible word joiners, so that no mail program turns any of the text into a link."""
    return _LINK_CHARACTERS.sub(_WITH_WORD_JOINER, text)
