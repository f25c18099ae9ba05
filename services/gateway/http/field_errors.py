"""Explain to users which fields of a request are wrong, without terms of the validator."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.http.problems import FieldError, printable

_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a text",
    "string_pattern_mismatch": "does not have the expected format",
    "string_too_short": "needs {min_length} or more characters",
    "string_too_long": "has more than {max_length} characters",
    "int_type": "must be a number without decimals",
    "int_from_float": "must be a number without decimals",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "needs {min_length} or more entries",
    "too_long": "has more than {max_length} entries",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "none_required": "must be null",
}
"""pydantic error type -> wording for users."""
_UNKNOWN: Final = "is not valid"
MAX_ERRORS: Final = 50
"""Further wrong fields of a request are not reported: the response must not outgrow the request."""


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return what is wrong with each field of a request, up to `MAX_ERRORS`."""
    rows = error.errors(include_url=False, include_input=False)
    return [FieldError(_path(row), error_words(row)) for row in rows[:MAX_ERRORS]]


def error_words(row: ErrorDetails) -> str:
    """Return what is wrong with one field, to be read after its name."""
    kind, context = row["type"], row.get("ctx", {})
    match kind:
        case "literal_error":
            return f"must be one of: {', '.join(_choices(context))}"
        case "value_error" if "reason" in context:  # an address
            return f"is not a valid e-mail address: {context['reason']}"
        case "value_error" if isinstance(context.get("error"), ValueError):
            return str(context["error"])
        case _:
            return _WORDS.get(kind, _UNKNOWN).format_map(context)


def _choices(context: Mapping[str, Any]) -> Iterator[str]:
    for part in str(context["expected"]).replace(" or ", ", ").split(", "):
        yield part.strip("'")


def _path(row: ErrorDetails) -> str:
    path = ".".join(str(part) for part in row["loc"])
    return printable(path) if path else "body"
