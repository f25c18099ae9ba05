"""Choose the language of a page by what the browser prefers."""

from typing import Final, Literal, cast, get_args

from aiohttp import hdrs, web

Language = Literal["en", "de", "fr"]
LANGUAGES: Final[tuple[str, ...]] = get_args(Language)


def language_of(request: web.Request) -> Language:
    """Return the language that `Accept-Language` names first among those of the pages, or "en"."""
    weighted: list[tuple[float, str]] = []
    for entry in request.headers.get(hdrs.ACCEPT_LANGUAGE, "").lower().split(","):
        tag, _, quality = entry.replace(" ", "").partition(";q=")
        if tag[:2] in LANGUAGES and tag[2:3] in ("", "-"):
            weighted.append((-_number(quality), tag[:2]))
    weighted.sort(key=lambda each: each[0])
    return cast("Language", weighted[0][1]) if weighted else "en"


def _number(quality: str) -> float:
    try:
        return float(quality or 1)
    except ValueError:
        return 0.0
