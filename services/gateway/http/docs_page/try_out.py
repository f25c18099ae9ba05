"""Render a form that sends the request of an operation from the page."""

from collections.abc import Iterable
from typing import Final

from gateway.http.docs_page.elements import Html, tag
from gateway.http.docs_page.schemas import Document, example_text

_STREAM: Final = "text/event-stream"


def try_out(method: str, path: str, operation: Document) -> Html:
    """Return a form that sends the request; none for event streams, which do not end."""
    if _STREAM in operation["responses"].get("200", {}).get("content", {}):
        return Html("")
    name = operation["operationId"]
    fields = [
        field
        for one in operation.get("parameters", ())
        for field in _field(f"{name}-{one['name']}", one["name"], one)
    ]
    body = operation.get("requestBody", {"content": {}})["content"]
    media = next(iter(body), "")
    if media:
        example = example_text(body[media].get("example", ""))
        label = tag("label", f"Body ({media})", for_=f"{name}-body")
        area = tag("textarea", example, id=f"{name}-body", rows="6", data_media=media)
        fields += [label, area]
    form = tag(
        "form",
        *fields,
        tag("button", f"Send: {operation['summary']}", type="submit"),
        tag("pre", tabindex="0", aria_live="polite", aria_label="Response", hidden=True),
        data_method=method.upper(),
        data_path=path,
    )
    return tag("details", tag("summary", "Try it"), form)


def _field(identifier: str, name: str, parameter: Document) -> Iterable[Html]:
    required = bool(parameter.get("required"))
    yield tag("label", f"{name}{' (required)' if required else ''}", for_=identifier)
    example = parameter.get("example", "")
    yield tag(
        "input",
        id=identifier,
        name=name,
        required=required,
        data_in=parameter["in"],
        value=str(example) if required else "",
    )
