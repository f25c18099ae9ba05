"""Write HTML elements; text is escaped."""

from collections.abc import Iterable
from html import escape
from typing import Final

_VOID: Final = {"input", "link", "meta"}


class Html(str):
    """Mark text as HTML that needs no escaping."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | bool) -> Html:
    """Return an element; text is escaped unless it is `Html`.

    A trailing underscore is cut from a name of an attribute, others become hyphens.
    """
    shown = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{shown}>")
    inside = "".join(one if isinstance(one, Html) else escape(one) for one in children)
    return Html(f"<{name}{shown}>{inside}</{name}>")


def table(caption: str, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Html:
    body = [tag("tr", *(tag("td", cell) for cell in row)) for row in rows]
    if not body:
        return Html("")
    head = tag("tr", *(tag("th", heading, scope="col") for heading in headings))
    table = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="scroll", tabindex="0", role="group", aria_label=caption)


def code(text: str, label: str) -> Html:
    return tag("pre", tag("code", text), tabindex="0", role="group", aria_label=label)


def prose(text: str) -> list[Html]:
    return [tag("p", inline(part)) for part in text.strip().split("\n\n") if part]


def inline(text: str) -> Html:
    """Turn `code` between backquotes into elements."""
    parts = text.split("`")
    return Html(
        "".join(tag("code", part) if at % 2 else escape(part) for at, part in enumerate(parts))
    )
