"""Events are encoded, decoded and upcast."""

import pytest

from chassis.log.codec import COMPRESSED, PLAIN, Codec
from chassis.log.event_store import UnknownEvent
from tests.chassis.events import CODEC, Count, Counted, CounterEvent, Named


def test_decoding_returns_the_encoded_events() -> None:
    events = (Counted(by=3), Named(name="Zoë"))
    encoding, stored = CODEC.encode(events)
    assert encoding == PLAIN
    assert stored == (
        b'[{"t":"Counted","v":2,"d":{"by":3}},{"t":"Named","v":1,"d":{"name":"Zo\xc3\xab"}}]'
    )
    assert CODEC.decode(encoding, stored) == events


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
