"""Events are encoded, decoded and upcast."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.log.codec import COMPRESSED, PLAIN, Codec
from chassis.log.event_store import UnknownEvent
from tests.chassis.events import CODEC, Count, Counted, CounterEvent, Named

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=5,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.sampled_from(["Counted", "Named", "Melted"]) | ANYTHING,
            "v": st.sampled_from([1, 2, 3, True]) | ANYTHING,
            "d": st.fixed_dictionaries(
                {},
                optional={
                    "by": st.integers() | ANYTHING,
                    "name": st.text() | ANYTHING,
                    "amount": st.integers() | ANYTHING,
                    "type": st.sampled_from(["Counted", "Named"]) | ANYTHING,
                    "why": ANYTHING,
                },
            )
            | ANYTHING,
        }
    ),
    max_size=3,
)
"""Lists of what may be stored: readable events, older and newer ones, and damaged ones."""


def test_decoding_returns_the_encoded_events() -> None:
    events = (Counted(by=3), Named(name="Zoë"))
    encoding, stored = CODEC.encode(events)
    assert encoding == PLAIN
    assert stored == (
        b'[{"t":"Counted","v":2,"d":{"by":3}},{"t":"Named","v":1,"d":{"name":"Zo\xc3\xab"}}]'
    )
    assert CODEC.decode(encoding, stored) == events


@given(rows=ROWS)
@example(rows=[{"t": "Named", "v": True, "d": {"name": "Zoë"}}])
def test_a_commit_is_read_like_each_of_its_events_alone(rows: list[dict[str, Any]]) -> None:
    """Commits of current events are parsed at once; all others event by event."""
    try:
        stored = orjson.dumps(rows)
    except TypeError:  # half of a surrogate pair, or an integer of over 64 bits
        return
    assert read(stored) == read_one_by_one(orjson.loads(stored))


def read(stored: bytes) -> tuple[Counted | Named, ...] | None:
    """Return the events of a commit; None if it cannot be read."""
    try:
        return CODEC.decode(PLAIN, stored)
    except UnknownEvent:
        return None


def read_one_by_one(rows: list[Any]) -> tuple[Counted | Named, ...] | None:
    """Read each event next to an older one, with which no commit is parsed at once."""
    older = orjson.dumps({"t": "Counted", "v": 1, "d": {"amount": 1}})
    commits = [read(b"[%s,%s]" % (older, orjson.dumps(row))) for row in rows]
    events = [commit[1] for commit in commits if commit is not None]
    return tuple(events) if rows and len(events) == len(rows) else None


def test_large_commits_are_compressed() -> None:
    events = tuple(Named(name="n" * 100) for _ in range(100))
    encoding, stored = CODEC.encode(events)
    assert encoding == COMPRESSED
    assert len(stored) < 1_000
    assert CODEC.decode(encoding, stored) == events


def test_an_older_schema_version_is_upcast() -> None:
    assert CODEC.decode(PLAIN, b'[{"t":"Counted","v":1,"d":{"amount":5}}]') == (Counted(by=5),)


def test_an_unknown_field_is_ignored() -> None:
    assert CODEC.decode(PLAIN, b'[{"t":"Counted","v":2,"d":{"by":5,"why":"new"}}]') == (
        Counted(by=5),
    )


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (b'[{"t":"Melted","v":1,"d":{}}]', "Melted v1 is not known"),
        (b'[{"t":"Counted","v":3,"d":{"by":5}}]', "Counted v3 is not known"),
        (b'[{"t":"Counted","v":2,"d":{"by":"many"}}]', "does not fit"),
        (b'[{"t":"Counted","v":1,"d":{}}]', "cannot be upcast"),
        (b'[{"v":2,"d":{"by":5}}]', "no list of events"),
        (b'[{"t":"Counted","v":"2","d":{"by":5}}]', "lacks a type, version or data"),
        (b'[{"t":["Counted"],"v":2,"d":{"by":5}}]', "lacks a type, version or data"),
        (b'[{"t":"Counted","v":2,"d":[5]}]', "lacks a type, version or data"),
        (b'[{"t":"Counted","v":true,"d":{"by":5}}]', "lacks a type, version or data"),
        (b'[["Counted",2,{"by":5}]]', "no list of events"),
        (b'{"t":"Counted","v":2,"d":{"by":5}}', "no list of events"),
        (b"[1]", "no list of events"),
        (b"null", "no list of events"),
        (b"7", "no list of events"),
        (b"not JSON", "no list of events"),
        (b"\xff\xfe", "no list of events"),
        (b"", "no list of events"),
    ],
)
def test_an_unreadable_event_makes_the_commit_unreadable(stored: bytes, words: str) -> None:
    with pytest.raises(UnknownEvent, match=words):
        CODEC.decode(PLAIN, stored)


def test_bytes_that_cannot_be_decompressed_are_an_unreadable_commit() -> None:
    with pytest.raises(UnknownEvent, match="no list of events"):
        CODEC.decode(COMPRESSED, b"not compressed")


def test_a_missing_upcaster_is_named() -> None:
    bare: Codec[Counted | Named] = Codec(CounterEvent)
    with pytest.raises(UnknownEvent, match="Counted v1 has no upcaster to v2"):
        bare.decode(PLAIN, b'[{"t":"Counted","v":1,"d":{"amount":5}}]')


def test_the_digest_of_a_command_covers_its_body_without_defaults() -> None:
    assert Count(counter="a").body_hash == Count(counter="a", by=1).body_hash
    assert Count(counter="a").body_hash != Count(counter="a", by=2).body_hash
    assert Count(counter="a").body_hash != Count(counter="b").body_hash


@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("j", b"no JSON"),
        ("j", b'[{"type": "Counted"}]'),
        ("j", b"[7]"),
        ("j", b"7"),
        ("j", b'[{"t": "Counted", "v": "x", "d": {}}]'),
        ("j", b'[{"t": "Counted", "v": 1, "d": {}}]'),  # the upcaster finds no amount
        ("j", b'[{"t": "Counted", "v": 2, "d": 7}]'),
        ("j", b'[{"t": ["Counted"], "v": 2, "d": {}}]'),
        ("j", b"[]"),
        ("z", b"no zlib"),
    ],
)
def test_a_damaged_commit_is_an_unknown_event_whatever_is_wrong(
    encoding: str, stored: bytes
) -> None:
    with pytest.raises(UnknownEvent):
        CODEC.decode(encoding, stored)
