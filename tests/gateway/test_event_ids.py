"""Ids of events carry the position of each topic, and are valid for one stream."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.event_ids import PATTERN, Seen, event_id, last_event_id
from gateway.http.problems import Problem

TOPICS = ["account", "invitations", "points", "rank"]
numbers = st.integers(0, 10**15 - 1)
positions = st.dictionaries(
    st.sampled_from(TOPICS), st.lists(numbers, min_size=1, max_size=2).map(tuple), min_size=1
)
headers = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=60)


def seen(header: str, stream: str = "member-alice") -> Seen:
    request: Any = make_mocked_request("GET", "/", headers={"Last-Event-ID": header})
    return last_event_id(request, stream, TOPICS)


@given(positions=positions)
def test_an_id_is_read_as_it_was_written(positions: dict[str, tuple[int, ...]]) -> None:
    assert seen(event_id("member-alice", positions)) == Seen(positions)


@given(positions=positions)
def test_an_id_of_another_stream_is_rejected(positions: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(Problem) as caught:
        seen(event_id("member-bob", positions))
    assert (caught.value.status, caught.value.code) == (400, "wrong_event_id")


@given(header=st.one_of(headers, st.from_regex(PATTERN, fullmatch=True)))
@example(header=event_id("member-alice", {}))
@example(header=event_id("member-alice", {"account": (1,)}) + "-")
def test_any_other_text_is_rejected_or_a_position(header: str) -> None:
    try:
        found = seen(header)
    except Problem as problem:
        assert problem.status == 400  # noqa: PT017  either outcome is right
    else:
        assert all(isinstance(at, tuple) for at in found.positions.values())


@pytest.mark.parametrize("header", ["", " ", "0"])
def test_an_empty_id_is_none(header: str) -> None:
    assert seen(header).positions == {}


def test_a_number_of_an_earlier_build_is_the_version_of_the_first_topic() -> None:
    assert seen("57") == Seen({"account": (57,)}, scoped=False)
