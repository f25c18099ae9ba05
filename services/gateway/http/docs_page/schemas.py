"""Render the schemas of the OpenAPI document, and types in one line."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from gateway.http.docs_page.elements import Html, inline, prose, table, tag

Document = Mapping[str, Any]
_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "characters, at least",
    "maxLength": "characters, at most",
    "minItems": "items, at least",
    "maxItems": "items, at most",
    "pattern": "matches",
    "default": "default",
}


def schemas(document: Document) -> Html:
    shown = (_schema(name, one) for name, one in sorted(document["components"]["schemas"].items()))
    return tag("section", tag("h2", "Schemas", id="schemas"), *shown)


def _schema(name: str, schema: Document) -> Html:
    required = schema.get("required", ())
    rows = [
        (
            tag("code", field),
            "yes" if field in required else "no",
            type_of(one),
            inline(one.get("description", "")),
        )
        for field, one in schema.get("properties", {}).items()
    ]
    parts = [*prose(schema.get("description", ""))]
    if rows:
        parts.append(table("Fields", ("name", "required", "type", "meaning"), rows))
    else:
        parts.append(tag("p", type_of(schema)))
    return tag("article", tag("h3", name, id=f"schema-{name}"), *parts)


def type_of(schema: Document) -> Html:
    """Describe a type in one line, with links to the schemas that it names."""
    if "$ref" in schema:
        name = name_of(schema)
        return tag("a", name, href=f"#schema-{name}")
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        return Html(" or ".join(type_of(one) for one in alternatives))
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else ()):
        return Html(" or ".join(tag("code", json.dumps(value)) for value in values))
    if "items" in schema:
        return Html(f"list of {type_of(schema['items'])}{_bounds(schema)}")
    if isinstance(schema.get("additionalProperties"), Mapping):
        return Html(f"map of {type_of(schema['additionalProperties'])}")
    return Html(escape(str(schema.get("type", "any"))) + _bounds(schema))


def _bounds(schema: Document) -> str:
    texts = [f"{words} {schema[key]}" for key, words in _BOUNDS.items() if key in schema]
    return escape(f" ({'; '.join(texts)})") if texts else ""


def name_of(reference: Document) -> str:
    return str(reference["$ref"].rpartition("/")[2])


def example_text(example: Any) -> str:
    if isinstance(example, str):
        return example
    return json.dumps(example, ensure_ascii=False, indent=2)
