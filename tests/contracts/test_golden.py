"""Check that every message that was ever sent or stored is still readable."""

import json
from typing import Any

import pytest

from contracts.messages import Command, Event, Message
from contracts.referrals import IssueCode
from tests.contracts.generate import generate
from tests.contracts.samples import (
    GOLDEN,
    SAMPLES,
    golden_file,
    is_tagged,
    message_classes,
)

CLASSES = {cls.__name__: cls for cls in message_classes()}
every_class = pytest.mark.parametrize(
    "cls", [pytest.param(CLASSES[name], id=name) for name in sorted(CLASSES)]
)


def test_every_message_has_a_golden_file() -> None:
    stored = {path.stem for path in GOLDEN.iterdir()}
    assert CLASSES.keys() <= stored, "run `make golden`, and commit the new files"
    assert stored <= CLASSES.keys(), (
        "a class that was removed or renamed may still be stored somewhere"
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_the_golden_file_still_reads_as_the_sample(sample: Message) -> None:
    golden = golden_file(type(sample)).read_text()
    assert type(sample).model_validate_json(golden) == sample


@every_class
def test_no_stored_field_is_lost(cls: type[Message]) -> None:
    golden = golden_file(cls).read_text()
    read = json.loads(cls.model_validate_json(golden).model_dump_json())
    assert lost(json.loads(golden), read) == []


def lost(stored: Any, read: Any, at: str = "") -> list[str]:
    """Return the paths of stored values that are missing or different in what was read."""
    if isinstance(stored, dict) and isinstance(read, dict):
        return [path for key in stored for path in lost(stored[key], read.get(key), f"{at}.{key}")]
    if isinstance(stored, list) and isinstance(read, list) and len(stored) == len(read):
        pairs = enumerate(zip(stored, read, strict=True))
        return [path for i, (one, other) in pairs for path in lost(one, other, f"{at}[{i}]")]
    return [] if stored == read else [at]


@every_class
def test_a_sample_can_be_generated(cls: type[Message]) -> None:
    sample = generate(cls)
    assert cls.model_validate_json(sample.model_dump_json()) == sample


def test_a_generated_sample_is_always_the_same() -> None:
    assert generate(IssueCode) == generate(IssueCode)


@every_class
def test_messages_are_frozen_and_tagged(cls: type[Message]) -> None:
    assert cls.model_config["frozen"]
    if issubclass(cls, Command | Event):
        assert is_tagged(cls)
        assert cls.model_fields["type"].default == cls.__name__


@pytest.mark.parametrize(
    "command", [s for s in SAMPLES if isinstance(s, Command)], ids=lambda c: c.type
)
def test_a_stream_id_fits_a_fifo_group_and_contains_no_address(command: Command) -> None:
    assert len(command.stream) <= 128
    assert "@" not in command.stream
