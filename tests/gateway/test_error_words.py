"""Errors are explained to people, without terms of the validator or of Python."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from cognito_jwt import InvalidToken
from gateway.edge.errors import problem_for
from gateway.http.bodies import Empty
from gateway.http.field_errors import MAX_ERRORS
from gateway.http.json_body import parse_json
from gateway.http.problems import Problem
from gateway.http.requests import check
from gateway.routes import ROUTES
from tests.gateway.jargon import JARGON

MODELS = sorted(
    {model for route in ROUTES for model in (route.body, route.query) if model is not None},
    key=lambda model: model.__name__,
)
MODEL_NAMES = re.compile("|".join(rf"\b{model.__name__}\b" for model in MODELS))
TEXT = st.text("xyz09ä\U0001f600\x00 []{}", max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


def assert_is_for_people(problem: Problem, status: int) -> None:
    assert problem.status == status
    assert bool(problem.errors) is (status == 422)
    for words in [error.detail for error in problem.errors] or [problem.detail]:
        assert words
        assert not JARGON.search(words), words
        assert not MODEL_NAMES.search(words), words


def names_of(model: type[BaseModel]) -> list[str]:
    return [member.alias or name for name, member in model.model_fields.items()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_wrong_fields_are_explained_in_words(model: type[Any]) -> None:
    names = st.sampled_from([*names_of(model), "unknown"])
    bodies = (
        st.dictionaries(names, VALUES | st.text(min_size=1, max_size=2_000), max_size=6) | VALUES
    )

    @given(bodies)
    def explained(body: object) -> None:
        try:
            check(model, body)
        except Problem as problem:
            assert_is_for_people(problem, 422)

    explained()


def test_the_errors_of_a_request_are_limited() -> None:
    with pytest.raises(Problem) as problem:
        check(Empty, {f"unknown{number}": 0 for number in range(10_000)})
    assert len(problem.value.errors) == MAX_ERRORS
    assert len(problem.value.body("request")) < 10_000


@given(st.binary(max_size=60))
def test_bytes_that_are_not_json_are_explained_in_words(body: bytes) -> None:
    _explained(body)


@given(VALUES, st.integers(0, 400), st.text('{}[]",:\\\x00\n\x1f\ud800u0é', max_size=3))
def test_json_with_one_mistake_is_explained_in_words(value: Any, at: int, mistake: str) -> None:
    text = json.dumps(value)
    at = min(at, len(text))
    _explained((text[:at] + mistake + text[at:]).encode("utf-8", "surrogatepass"))
    _explained(text[:at].encode())


def _explained(body: bytes) -> None:
    try:
        parse_json(body)
    except Problem as problem:
        assert_is_for_people(problem, 400)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark (BOM)"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16 or UTF-32"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16 or UTF-32"),
        ('{"a": 1}'.encode("utf-16-be"), "UTF-16 or UTF-32"),
        ('{"a": 1}'.encode("utf-32"), "UTF-16 or UTF-32"),
        ("{}".encode("utf-32-be"), "UTF-16 or UTF-32"),
        (b'{"a": "\xe9"}', "not UTF-8 text: see byte 8"),
        (b'{"a": "line\nbreak"}', "line break"),
        (b'{"a": "\\ud800"}', "half of a character"),
        (b'{"\\udfff": 1}', "half of a character"),
        (b'{"a": NaN}', "NaN, which is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity, which is not a JSON number"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": 1' + b"0" * 5_000 + b"}", "too many digits"),
        (b'{"a": 1, "a": 2}', "duplicate name: a"),
        (b'{"x": [{"b": 1, "b": 2}]}', "duplicate name: b"),
        (b"", "a value is missing (line 1, column 1)"),
        (b'{"a": 1,}', "(line 1, column "),
        (b"{'a': 1}", "double quotes"),
        (b'{"a" 1}', "colon"),
        (b'{"a": 1 "b": 2}', "comma"),
        (b"{}{}", "after its end"),
        (b'{"a": "x', "closing quotes"),
        (b'{"a": "\\x"}', "backslash"),
        (b'{"a": "\\u12"}', "hexadecimal"),
        (b"[" * 17 + b"]" * 17, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_mistake_in_json_is_named(body: bytes, words: str) -> None:
    with pytest.raises(Problem) as problem:
        parse_json(body)
    assert words in problem.value.detail
    assert_is_for_people(problem.value, 400)


@pytest.mark.parametrize(
    "body",
    [
        b'{"note": "' + b"[ ] item { " * 50 + b'"}',
        json.dumps([{"a": [number]} for number in range(500)]).encode(),
        b"[" * 16 + b"]" * 16,
        b'"\\ud83d\\ude00"',
        b'{"a": 1e308, "b": -0.0, "c": 9007199254740993}',
    ],
)
def test_unusual_json_is_parsed(body: bytes) -> None:
    assert parse_json(body) == json.loads(body)


@given(VALUES)
def test_what_other_programs_write_is_parsed(value: Any) -> None:
    for ascii_only in (True, False):
        encoded = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert parse_json(encoded) == json.loads(encoded)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        ("the token's type is not JWT", "The token's type is not JWT."),
        ("the token is not signed with RS256", "The token is not signed with RS256."),
        ("the token is neither an ID token nor …", "The token is neither an ID token nor …."),
    ],
)
def test_the_reason_for_a_rejected_token_keeps_its_capitals(error: str, detail: str) -> None:
    assert problem_for(InvalidToken(error)).detail == detail
