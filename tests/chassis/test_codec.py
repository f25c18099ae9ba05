import pytest

from chassis.log.codec import COMPRESSED, PLAIN, Codec
from chassis.log.event_store import UnknownEvent
from tests.chassis.events import CODEC, Count, Counted, CounterEvent, Named


def test_events_come_back_as_they_went() -> None:
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


def test_an_older_schema_version_is_lifted() -> None:
    assert CODEC.decode(PLAIN, b'[{"t":"Counted","v":1,"d":{"amount":5}}]') == (Counted(by=5),)


def test_a_field_from_the_future_is_ignored() -> None:
    assert CODEC.decode(PLAIN, b'[{"t":"Counted","v":2,"d":{"by":5,"why":"new"}}]') == (
        Counted(by=5),
    )


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (b'[{"t":"Melted","v":1,"d":{}}]', "Melted v1 is not known"),
        (b'[{"t":"Counted","v":3,"d":{"by":5}}]', "Counted v3 is not known"),
        (b'[{"t":"Counted","v":2,"d":{"by":"many"}}]', "does not fit"),
    ],
)
def test_half_a_history_is_no_history(stored: bytes, words: str) -> None:
    with pytest.raises(UnknownEvent, match=words):
        CODEC.decode(PLAIN, stored)


def test_a_missing_upcaster_is_named() -> None:
    bare: Codec[Counted | Named] = Codec(CounterEvent)
    with pytest.raises(UnknownEvent, match="Counted v1 has no upcaster to v2"):
        bare.decode(PLAIN, b'[{"t":"Counted","v":1,"d":{"amount":5}}]')


def test_the_digest_of_a_command_is_the_body_and_nothing_else() -> None:
    assert Count(counter="a").body_hash == Count(counter="a", by=1).body_hash
    assert Count(counter="a").body_hash != Count(counter="a", by=2).body_hash
    assert Count(counter="a").body_hash != Count(counter="b").body_hash
