"""The responses on the pages of docs/api are compared exactly with the real ones."""

import pytest

from tests.gateway.pages import Names, Reply, Snippet, Step, difference


def compare(kind: str, response: str, body: str, head: str = "", **names: str) -> str | None:
    known: Names = dict(names)
    step = Step((Snippet("sh", "", 1),), kind, response)
    return difference(step, Reply(head, body), known)


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        ('{"a": 1}', '{"a": 1.0}'),
        ('{"a": "…"}', '{"a": [1]}'),
        ('{"a": 1, "…": "…"}', '{"a": 1, "b": 2}'),
        ('[1, "…"]', "[1, 2, 3]"),
        ('[1, "…"]', "[1]"),
        ('{"at": 1790000000}', '{"at": 1795629981}'),
        ('{"a": "b…d"}', '{"a": "bcd"}'),
        ('["$ID", "/x/$ID"]', '["7", "/x/7"]'),
    ],
)
def test_matching_responses_have_no_difference(shown: str, seen: str) -> None:
    assert compare("json", shown, seen) is None


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1, "b": 2}', '{"a": 1}'),
        ('{"a": 1, "…": "…"}', "{}"),
        ('{"a": null}', '{"a": 0}'),
        ("[1]", "[1, 2]"),
        ('[1, "…"]', "[2]"),
        ('{"at": 1790000000}', '{"at": 3}'),
        ('{"a": "b…d"}', '{"a": "bc"}'),
        ('["$ID", "$ID"]', '["7", "8"]'),
        ('["$KNOWN"]', '["other"]'),
        ("{}", "no JSON"),
    ],
)
def test_a_difference_is_reported(shown: str, seen: str) -> None:
    assert compare("json", shown, seen, KNOWN="this") is not None


HEAD = 'HTTP/1.1 201 Created\nlocation: /v1/me\netag: "2-a"'


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ("HTTP/1.1 201 Created\nLocation: /v1/me", True),
        ('HTTP/1.1 201 Created\nETag: "$ETAG"', True),
        ("HTTP/1.1 200 OK", False),
        ("HTTP/1.1 201 Created\nLocation: /v1/you", False),
        ("HTTP/1.1 201 Created\nRetry-After: 1", False),
        ("HTTP/1.1 201 Created\n\nwords", False),
    ],
)
def test_response_heads_are_compared(shown: str, found: bool) -> None:  # noqa: FBT001  the table's
    assert (compare("http", shown, "", HEAD) is None) is found


def test_a_new_name_is_bound_to_its_value() -> None:
    names: Names = {}
    step = Step((Snippet("sh", "", 1),), "text", "id: $VERSION\n…")
    assert difference(step, Reply("", "id: 7\nand more\n"), names) is None
    assert names == {"VERSION": "7"}
