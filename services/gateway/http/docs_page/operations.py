"""Render the operations of the OpenAPI document."""

from collections.abc import Iterable

from gateway.http.docs_page.elements import Html, code, inline, prose, table, tag
from gateway.http.docs_page.schemas import Document, example_text, name_of, type_of
from gateway.http.docs_page.try_out import try_out


def section(name: str, operations: Iterable[tuple[str, str, Document]], document: Document) -> Html:
    """Return the operations of one tag, each given as method, path and description."""
    rendered = (
        _operation(method, path, operation, document) for method, path, operation in operations
    )
    return tag("section", tag("h2", name, id=f"tag-{name}"), *rendered)


def _operation(method: str, path: str, operation: Document, document: Document) -> Html:
    name = operation["operationId"]
    return tag(
        "article",
        tag("h3", operation["summary"], id=name),
        tag("p", tag("b", method.upper(), class_=f"method {method}"), " ", tag("code", path)),
        *prose(operation.get("description", "")),
        tag("p", f"Token: {_tokens(operation)}"),
        _parameters(operation.get("parameters", ())),
        _request_body(operation.get("requestBody")),
        _responses(operation["responses"], document),
        try_out(method, path, operation),
        aria_labelledby=name,
    )


def _tokens(operation: Document) -> str:
    names = [name for scheme in operation["security"] for name in (scheme or {"none": []})]
    return " or ".join(name.removesuffix("Token") for name in names) or "none"


def _parameters(parameters: Iterable[Document]) -> Html:
    rows = [
        (
            tag("code", one["name"]),
            one["in"] + (", required" if one.get("required") else ""),
            type_of(one["schema"]),
            inline(one.get("description", "")),
        )
        for one in parameters
    ]
    return table("Parameters", ("name", "where", "type", "meaning"), rows)


def _request_body(body: Document | None) -> Html:
    if body is None:
        return Html("")
    parts = [
        tag("h4", f"Request body{'' if body['required'] else ' (optional)'}"),
        *(part for media, content in body["content"].items() for part in _content(media, content)),
    ]
    return Html("".join(parts))


def _content(media: str, content: Document) -> Iterable[Html]:
    yield tag("p", tag("code", media), ": ", type_of(content["schema"]))
    if "example" in content:
        yield code(example_text(content["example"]), f"Example of {media}")


def _responses(responses: Document, document: Document) -> Html:
    rows = []
    for status, response in responses.items():
        shown = response
        if "$ref" in response:
            shown = document["components"]["responses"][name_of(response)]
        types = [
            Html(f"{tag('code', media)} {type_of(content['schema'])}")
            for media, content in shown.get("content", {}).items()
        ]
        rows.append((tag("code", status), inline(shown["description"]), Html("<br>".join(types))))
    return table("Responses", ("status", "meaning", "body"), rows)
