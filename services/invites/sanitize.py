"""Make text that people wrote harmless inside a mail (pure)."""

import re
from typing import Final

_LINK_CHARACTERS: Final = re.compile(r"(?<=\S)([.:@。．｡])(?=\S)")  # noqa: RUF001
"""Characters that make a mail program see a link or an address, also behind an invisible one."""
WORD_JOINER: Final = "\u2060"


def break_links(text: str) -> str:
    """Insert invisible word joiners, so that no mail program turns any of the text into a link."""
    return _LINK_CHARACTERS.sub(rf"\1{WORD_JOINER}", text)
