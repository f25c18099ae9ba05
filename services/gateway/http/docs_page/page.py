"""Render the page: introduction, navigation, operations and schemas."""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.http.docs_page.elements import Html, prose, tag
from gateway.http.docs_page.operations import section
from gateway.http.docs_page.schemas import Document, schemas

STYLE_PATH: Final = "/docs/style.css"
SCRIPT_PATH: Final = "/docs/try.js"


def render(document: Document) -> str:
    """Return the page: every operation with its parameters, bodies and responses, and all schemas.

    Args:
        document: an OpenAPI 3.1 document whose references lead to its own components.
    """
    sections = _by_tag(document)
    title = f"{document['info']['title']} API"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("link", rel="stylesheet", href=STYLE_PATH),
        tag("script", src=SCRIPT_PATH, defer=True),
    )
    main = tag(
        "main",
        tag("h1", title),
        *prose(document["info"]["description"]),
        tag("p", "The same as JSON: ", tag("a", "/v1/openapi.json", href="/v1/openapi.json")),
        _token_field(),
        *(section(name, operations, document) for name, operations in sections.items()),
        schemas(document),
        id="main",
    )
    skip = tag("a", "Skip to the operations", href="#main", class_="skip")
    body = tag("body", skip, _navigation(sections), main)
    return "<!doctype html>\n" + tag("html", head, body, lang="en")


def _by_tag(document: Document) -> dict[str, list[tuple[str, str, Document]]]:
    sections: dict[str, list[tuple[str, str, Document]]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            sections.setdefault(operation["tags"][0], []).append((method, path, operation))
    return sections


def _navigation(sections: Mapping[str, Iterable[tuple[str, str, Document]]]) -> Html:
    def link(operation: Document) -> Html:
        return tag("li", tag("a", operation["summary"], href=f"#{operation['operationId']}"))

    parts = (
        tag(
            "li",
            tag("a", name, href=f"#tag-{name}"),
            tag("ul", *(link(operation) for _, _, operation in operations)),
        )
        for name, operations in sections.items()
    )
    last = tag("li", tag("a", "Schemas", href="#schemas"))
    return tag("nav", tag("ul", *parts, last), aria_label="Operations")


def _token_field() -> Html:
    label = tag("label", "Token for requests from this page (it is not stored)", for_="token")
    field = tag("input", id="token", type="password", autocomplete="off", spellcheck="false")
    return tag("form", label, field)
