"""Provide the classes that request bodies and query strings are declared with."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Body(BaseModel):
    """Declare a request body or query: camelCase names, exact types, no undeclared members."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class Empty(Body):
    """Declare the body of a request that needs none: its path and token are sufficient."""
