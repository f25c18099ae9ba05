"""Choose the phrases of a mail in the recipient's language (pure)."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

FALLBACK: Final = "en"

Phrases = Mapping[str, Any]


def phrases_for(requested: str) -> tuple[str, Phrases]:
    """Return the nearest supported locale and its phrases."""
    locale = locale_for(requested)
    return locale, _all_phrases()[locale]


def locale_for(requested: str) -> str:
    """Return the nearest supported locale: de-AT, else de, else the fallback."""
    supported = _all_phrases()
    parts = requested.lower().split("-")
    for count in range(len(parts), 0, -1):
        if (name := "-".join(parts[:count])) in supported:
            return name
    return FALLBACK


@cache
def _all_phrases() -> Mapping[str, Phrases]:
    folder = files("invites").joinpath("phrases")
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }
