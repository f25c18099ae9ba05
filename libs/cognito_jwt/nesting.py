"""Measure how deeply JSON text is nested, before it is parsed."""

import re
from itertools import accumulate
from typing import Final

_TEXTS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Texts, whose brackets nest nothing. An unfinished one extends to the end: one pass suffices for
every input."""
_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""Bracket -> how it changes the depth, as a signed byte."""


def is_nested_deeper(encoded: bytes, levels: int) -> bool:
    """Return whether more than `levels` objects and lists contain one another.

    Args:
        encoded: JSON in UTF-8. In other text brackets count as far as a parser may get.
        levels: The number of levels that is still acceptable.
    """
    if encoded.count(b"[") + encoded.count(b"{") <= levels:
        return False
    steps = _TEXTS.sub(b"", encoded).translate(_STEPS, _OTHERS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > levels
