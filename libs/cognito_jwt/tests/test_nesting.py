"""Nesting is measured as a parser would nest, whatever the texts contain."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_jwt import is_nested_deeper

TEXTS = st.text(st.sampled_from('[]{}"\\,:aä\U0001f600\n'))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXTS, values, max_size=4),
    max_leaves=40,
)


def depth(value: Any) -> int:
    """Return the depth of a parsed value: the reference."""
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0


@given(
    value=VALUES,
    levels=st.integers(1, 6),
    indent=st.sampled_from([None, 2]),
    ascii_only=st.booleans(),
)
def test_the_depth_is_that_of_the_parsed_value(
    value: Any, levels: int, indent: int | None, *, ascii_only: bool
) -> None:
    encoded = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert is_nested_deeper(encoded, levels) == (depth(value) > levels)


@given(st.integers(1, 40), st.integers(0, 60))
def test_the_limit_is_exact(levels: int, deep: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        text = opening * deep + "1" + closing * deep
        assert is_nested_deeper(text.encode(), levels) == (deep > levels)


@given(st.text(st.sampled_from('[]{}"\\ax')), st.integers(1, 4))
def test_other_text_that_passes_never_makes_a_parser_recurse_deeper(text: str, levels: int) -> None:
    if is_nested_deeper(text.encode(), levels):
        return
    try:
        value = json.loads(text)
    except ValueError:
        return
    assert depth(value) <= levels


@pytest.mark.parametrize(
    "attack",
    [
        b"[" * 100_000,
        b'"\\"' + b'\\"[' * 100_000,
        b"[]" * 100_000,
        b"]" * 100_000,
        b'"' + b"[" * 99,
    ],
)
def test_every_input_is_measured_in_one_pass(attack: bytes) -> None:
    assert is_nested_deeper(attack, 16) == (attack == b"[" * 100_000)
