"""What was sent or stored once is readable for ever."""

import pytest

from contracts.messages import Command, Event, Message
from tests.contracts.samples import GOLDEN, SAMPLES, is_tagged, message_classes


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_the_golden_form_still_reads_as_the_sample(sample: Message) -> None:
    golden = (GOLDEN / f"{type(sample).__name__}.json").read_text()
    assert type(sample).model_validate_json(golden) == sample


def test_every_message_has_a_golden_form() -> None:
    assert {type(sample) for sample in SAMPLES} == message_classes()


@pytest.mark.parametrize("cls", sorted(message_classes(), key=str), ids=lambda cls: cls.__name__)
def test_messages_are_frozen_and_tagged(cls: type[Message]) -> None:
    assert cls.model_config["frozen"]
    if issubclass(cls, Command | Event):
        assert is_tagged(cls)
        assert cls.model_fields["type"].default == cls.__name__


@pytest.mark.parametrize(
    "command", [s for s in SAMPLES if isinstance(s, Command)], ids=lambda c: c.type
)
def test_a_stream_id_fits_a_fifo_group_and_holds_no_address(command: Command) -> None:
    assert len(command.stream) <= 128
    assert "@" not in command.stream
