"""The page of the API shows every operation, and can be read and used by all people."""

import gzip
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from gateway.http.docs_page.page import render
from gateway.http.openapi import describe
from gateway.routes import ROUTES

STYLE = files("gateway.http.docs_page").joinpath("style.css").read_text()
COMPRESSED_BYTES = 40_000
CONTRAST = 4.5
"""Least contrast of text: WCAG 2.2, success criterion 1.4.3."""


class Elements(HTMLParser):
    """Collect the elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture(scope="module")
def page() -> str:
    return render(describe(ROUTES))


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    return Elements(page)


def test_every_operation_and_schema_has_a_place_of_its_own(elements: Elements) -> None:
    ids = [one["id"] for one in elements.of(*{tag for tag, _ in elements.found}) if "id" in one]
    document = describe(ROUTES)
    assert not [name for name, times in Counter(ids).items() if times > 1]
    assert {route.operation_id for route in ROUTES} <= set(ids)
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= set(ids)


def test_every_link_inside_the_page_leads_somewhere(elements: Elements) -> None:
    ids = {attributes.get("id") for _, attributes in elements.found}
    links = {str(link["href"])[1:] for link in elements.of("a") if str(link["href"])[0] == "#"}
    assert links <= ids


def test_every_field_has_a_label(elements: Elements) -> None:
    labelled = {label["for"] for label in elements.of("label")}
    assert {field["id"] for field in elements.of("input", "textarea")} == labelled


def test_an_event_stream_is_not_offered_for_trying(elements: Elements) -> None:
    paths = {form.get("data-path") for form in elements.of("form")}
    assert "/v1/me" in paths
    assert "/v1/me/events" not in paths


def test_the_page_is_small(page: str) -> None:
    parts = (page, STYLE, files("gateway.http.docs_page").joinpath("try.js").read_text())
    assert sum(len(gzip.compress(part.encode())) for part in parts) <= COMPRESSED_BYTES


def test_texts_are_escaped() -> None:
    document = describe(ROUTES)
    document["info"] = {"title": "<script>", "description": "a `<b>` & <i>"}
    page = render(document)
    assert "<script>" not in page
    assert "<p>a <code>&lt;b&gt;</code> &amp; &lt;i&gt;</p>" in page


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["text", "link", "mark"])
@pytest.mark.parametrize("back", ["back", "soft"])
def test_colours_have_enough_contrast(theme: int, text: str, back: str) -> None:
    lighter, darker = sorted((_luminance(_colour(text, theme)), _luminance(_colour(back, theme))))[
        ::-1
    ]
    assert (lighter + 0.05) / (darker + 0.05) >= CONTRAST


def _colour(name: str, theme: int) -> tuple[float, ...]:
    digits = re.findall(rf"--{name}: #(\w+)", STYLE)[theme]
    pairs = re.findall("..", digits) if len(digits) == 6 else [digit * 2 for digit in digits]
    return tuple(int(pair, 16) / 255 for pair in pairs)


def _luminance(colour: tuple[float, ...]) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
