"""Commands become messages that SQS delivers, however often their ids have been sent."""

import uuid
from typing import Any, cast

from chassis.bus.commands import CommandSender
from chassis.bus.schedule import DueCommands
from contracts.messages import Metadata
from tests.chassis.delivering import PublisherInMemory
from tests.chassis.events import Count

METADATA = Metadata(command_id="id", correlation_id="correlation")
NAMESPACE = uuid.UUID("6f1f4c1e-0a3b-5a57-9f0e-2f6d1a7f0c99")


async def test_each_send_of_a_command_is_delivered() -> None:
    bus = PublisherInMemory()
    sender = CommandSender(bus, "test")
    for _ in range(3):
        await sender.send(Count(counter="a"), METADATA)
    assert len({sent["deduplication_id"] for sent in bus.sent}) == 3
    assert {sent["headers"]["command-id"] for sent in bus.sent} == {"id"}


async def test_a_repeated_command_says_so() -> None:
    bus = PublisherInMemory()
    await CommandSender(bus, "test").send(Count(counter="a"), METADATA)
    await CommandSender(bus, "test").send(Count(counter="a"), METADATA, repeated=True)
    assert ["repeated" in sent["headers"] for sent in bus.sent] == [False, True]


class DueBoard:
    """A board on which one stream is due."""

    async def lowest(self, _board: str, **_options: object) -> list[str]:
        return ["counter-a"]


def due_commands(bus: PublisherInMemory) -> DueCommands:
    return DueCommands(
        due=cast("Any", DueBoard()),
        board="due",
        sender=CommandSender(bus, "test"),
        command=lambda stream: Count(counter=stream.removeprefix("counter-")),
        namespace=NAMESPACE,
        repeat_seconds=60,
        actor="test",
    )


async def test_all_instances_send_a_due_command_once_per_period() -> None:
    bus = PublisherInMemory()
    for _instance in range(2):
        for now in (600.0, 605.0, 659.0):
            await due_commands(bus).send(now)
    assert len({sent["deduplication_id"] for sent in bus.sent}) == 1


async def test_a_due_command_that_was_refused_is_sent_again_in_the_next_period() -> None:
    bus = PublisherInMemory()
    await due_commands(bus).send(600.0)
    await due_commands(bus).send(660.0)
    first, second = bus.sent
    assert first["deduplication_id"] != second["deduplication_id"]
    assert first["headers"]["command-id"] != second["headers"]["command-id"]
