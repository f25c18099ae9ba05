"""An operator lists, shows, resends and discards dead letters, on a scripted SQS."""

import argparse
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from chassis.run.dead_letters import DEAD_LETTERS
from contracts.messages import CommandOutcome
from contracts.referrals import OpenAccount
from faststream_sqs import SQSBroker
from faststream_sqs.tests.scripted import InProcessSession, Params, SQSModel
from invites.app import INVITES

COMMANDS = "vouch-invites-commands"
EVENTS = "vouch-invites-announcements"
FEEDBACK = "vouch-invites-feedback"


class MemoryOutcomes:
    """Store outcomes in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, CommandOutcome] = {}

    async def put(self, outcome: CommandOutcome) -> CommandOutcome:
        return self.stored.setdefault(outcome.command_id, outcome)


class Operator:
    """Run `dead-letters` commands of the invites service."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.model = SQSModel(latency=0)
        self.model.end_polls = True
        for name in (f"{COMMANDS}.fifo", f"{EVENTS}.fifo", FEEDBACK):
            self.model.create_with_dead_letters(name, 3)
        self.outcomes = MemoryOutcomes()
        self._capsys = capsys

    async def run(self, *words: str) -> tuple[int, str, str]:
        """Return the exit code, standard output and standard error."""
        parser = argparse.ArgumentParser()
        DEAD_LETTERS.arguments(parser)
        broker = SQSBroker(session=InProcessSession(self.model), logger=None, reject="dlq")
        application = SimpleNamespace(
            service=INVITES,
            settings=SimpleNamespace(stack="vouch"),
            resources=SimpleNamespace(broker=broker),
            handler=SimpleNamespace(outcomes=self.outcomes),
        )
        code = await DEAD_LETTERS.run(application, parser.parse_args(words))
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def dead(self, name: str) -> list[Any]:
        return self.model.queues[f"dead-{name}"].messages

    def kill(self, name: str, receives: int = 3) -> None:
        """Let SQS move all messages of a queue to its dead-letter queue."""
        queue = self.model.queues[name]
        for message in tuple(queue.messages):
            message.receives = receives
            self.model._redrive(queue, message)

    def reject(self, name: str, body: str, group: str, **attributes: str) -> str:
        """Put a message that a consumer rejected into the dead-letter queue; return its id."""
        marks = {"dead-letter-source": name} | attributes
        message = self.model.put(
            f"dead-{name}",
            body,
            group,
            **{
                key.replace("_", "-"): {"DataType": "String", "StringValue": value}
                for key, value in marks.items()
            },
        )
        return message.message_id


@pytest.fixture
async def operator(capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Operator]:
    operator = Operator(capsys)
    yield operator
    for name, queue in operator.model.queues.items():
        assert not operator.model.in_flight(name), f"{queue.name} has hidden messages"


async def test_every_queue_of_the_service_is_listed_with_reason_source_and_origin(
    operator: Operator,
) -> None:
    rejected = operator.reject(
        f"{COMMANDS}.fifo",
        '{"type": "SendInvitation"}',
        "invitation-1",
        dead_letter_reason="body: no such type",
        dead_letter_sent_at="2020-01-01T00:00:00+00:00",
        dead_letter_receive_count="4",
    )
    for name in (f"{EVENTS}.fifo", FEEDBACK):
        operator.model.put(name, "no JSON", "g" if name.endswith("fifo") else None)
        operator.kill(name)
    code, out, _ = await operator.run("list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert len(lines) == 4
    first = lines[rejected]
    assert "rejected: body: no such type" in first
    assert "SendInvitation" in first
    assert "invitation-1" in first
    assert " d " in first
    assert first.split()[1] == "commands"
    others = [line.split()[1] for line in out.splitlines() if "by SQS" in line]
    assert sorted(others) == ["events", "feedback"]


async def test_listing_reaches_beyond_ten_messages_and_hides_none_of_them(
    operator: Operator,
) -> None:
    ids = {operator.reject(f"{COMMANDS}.fifo", str(n), f"stream-{n}") for n in range(34)}
    for _ in range(2):
        _, out, err = await operator.run("list", "--queue", "commands")
        assert {line.split()[0] for line in out.splitlines()[1:]} == ids
        assert "34 dead letters" in err
    _, out, err = await operator.run("list", "--limit", "5")
    assert len(out.splitlines()) == 1 + 5
    assert "commands: about 29 more" in err


async def test_messages_that_sqs_holds_back_behind_others_of_their_stream_are_counted(
    operator: Operator,
) -> None:
    for n in range(13):
        operator.reject(f"{COMMANDS}.fifo", str(n), "one-stream")
    _, out, err = await operator.run("list")
    assert len(out.splitlines()) == 1 + 10
    assert "commands: about 3 more were not read" in err


async def test_messages_become_visible_again_when_the_command_fails(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.reject(f"{COMMANDS}.fifo", "x", "g")

    def closed(_: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("chassis.run.dead_letters.output", closed)
    with pytest.raises(BrokenPipeError):
        await operator.run("discard", "--all", "--yes")
    assert len(operator.dead(f"{COMMANDS}.fifo")) == 1


async def test_a_message_is_shown_with_all_that_it_has(operator: Operator) -> None:
    message_id = operator.reject(f"{COMMANDS}.fifo", "{}", "g", dead_letter_reason="why", actor="a")
    code, out, _ = await operator.run("show", message_id)
    shown = json.loads(out)
    assert code == 0
    assert shown["reason"] == "why"
    assert shown["source"] == f"{COMMANDS}.fifo"
    assert shown["body"] == "{}"
    assert shown["message_attributes"]["actor"]["StringValue"] == "a"
    code, _, err = await operator.run("show", message_id, "no-such-id")
    assert (code, "no-such-id was not found" in err) == (1, True)


async def test_a_rejected_message_is_sent_back_as_it_was_with_a_fresh_deduplication_id(
    operator: Operator,
) -> None:
    queue = f"{COMMANDS}.fifo"
    first = operator.reject(queue, "a", "g", dead_letter_reason="why", actor="member")
    operator.reject(queue, "b", "g")
    code, _, err = await operator.run("resend", first)
    assert (code, "1 resent" in err) == (0, True)
    (sent,) = operator.model.queues[queue].messages
    assert (sent.body, sent.group) == ("a", "g")
    assert sent.attributes == {"actor": {"DataType": "String", "StringValue": "member"}}
    assert [message.body for message in operator.dead(queue)] == ["b"]

    operator.model.move(queue, f"dead-{queue}")  # it is refused again, within five minutes
    await operator.run("resend", "--all")
    assert sorted(operator.model.bodies(queue)) == ["a", "b"]
    assert operator.dead(queue) == []


async def test_all_messages_of_a_long_stream_are_sent_back_in_their_order(
    operator: Operator,
) -> None:
    queue = f"{COMMANDS}.fifo"
    for n in range(25):
        operator.reject(queue, str(n), "g")
    operator.model.put(FEEDBACK, "bounce")
    operator.kill(FEEDBACK)
    code, _, err = await operator.run("resend", "--all")
    assert (code, "26 resent" in err) == (0, True)
    assert operator.model.bodies(queue) == [str(n) for n in range(25)]
    assert operator.model.bodies(FEEDBACK) == ["bounce"]


async def test_a_message_stays_until_its_resend_is_confirmed(operator: Operator) -> None:
    queue = f"{COMMANDS}.fifo"
    for n in range(12):
        operator.reject(queue, str(n), f"g{n}")
    operator.model.fail_entries("SendMessageBatch", 3, sender_fault=True)
    code, _, err = await operator.run("resend", "--all")
    assert (code, "failed: " in err) == (1, True)
    assert [message.body for message in operator.dead(queue)] == ["3", "10", "11"]
    assert len(operator.model.bodies(queue)) == 9


async def test_a_resend_that_is_repeated_after_a_crash_adds_no_duplicate(
    operator: Operator,
) -> None:
    queue = f"{COMMANDS}.fifo"
    operator.reject(queue, "a", "g")
    operator.model.fail_entries("DeleteMessageBatch", 0, sender_fault=True)
    code, _, err = await operator.run("resend", "--all")
    assert (code, "sent, but not deleted" in err) == (1, True)
    assert (await operator.run("resend", "--all"))[0] == 0
    assert operator.model.bodies(queue) == ["a"]
    assert operator.dead(queue) == []


async def test_a_message_that_fails_again_during_the_resend_is_not_sent_for_ever(
    operator: Operator,
) -> None:
    queue = f"{COMMANDS}.fifo"
    operator.reject(queue, "a", "g")
    store = operator.model._store

    def returning(target: Any, entry: Params) -> Any:
        stored = store(target, entry)
        if target.name == queue:  # the service rejects it at once
            target.messages.remove(stored)
            operator.reject(queue, stored.body, "g", dead_letter_message_id=stored.message_id)
        return stored

    operator.model._store = returning  # type: ignore[method-assign,assignment]  # the consumer
    _, _, err = await operator.run("resend", "--all")
    assert "1 resent" in err
    assert [message.body for message in operator.dead(queue)] == ["a"]


async def test_a_source_that_is_no_queue_of_the_service_is_not_trusted(
    operator: Operator,
) -> None:
    operator.model.create("other")
    queue = f"{COMMANDS}.fifo"
    operator.reject(queue, "a", "g", dead_letter_source="other")
    assert (await operator.run("resend", "--all"))[0] == 0
    assert (operator.model.bodies(queue), operator.model.bodies("other")) == (["a"], [])


async def test_a_discarded_message_is_printed_and_its_sender_gets_an_outcome(
    operator: Operator,
) -> None:
    queue = f"{COMMANDS}.fifo"
    command = OpenAccount(member_id="m", email="m@example.com")
    body = command.model_dump_json()
    for _ in range(12):
        operator.reject(
            queue, body, command.stream, command_id="c-1", body_hash=command.body_hash, actor="m"
        )
    operator.reject(f"{EVENTS}.fifo", "{}", "g", command_id="c-2")
    code, out, _ = await operator.run("discard", "--all", "--yes")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len(lines) == 13
    assert {line["event"] for line in lines} == {"dead_letter_discarded"}
    assert lines[0]["body"] == body
    assert operator.dead(queue) == []
    assert list(operator.outcomes.stored) == ["c-1"]
    outcome = operator.outcomes.stored["c-1"]
    assert outcome.rejection is not None
    assert (outcome.command, outcome.body_hash) == ("OpenAccount", command.body_hash)
    assert (outcome.state, outcome.rejection.code) == ("rejected", "discarded")
    assert outcome.actor == "m"


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (("list", "--queue", "melons"), "known: commands, events, feedback"),
        (("list", "--limit", "0"), "name 1 or more"),
        (("resend", "--all", "--limit", "-3"), "name 1 or more"),
        (("resend",), "or all with --all"),
        (("show",), "by their ids"),
        (("discard", "x", "--all", "--yes"), "by their ids"),
        (("discard", "--all"), "confirm it with --yes"),
    ],
)
async def test_wrong_arguments_are_explained_and_nothing_is_read(
    operator: Operator, words: tuple[str, ...], because: str
) -> None:
    code, _, err = await operator.run(*words)
    assert (code, because in err) == (2, True)
    assert operator.model.calls == []


async def test_a_queue_without_dead_letters_is_reported_and_the_others_are_read(
    operator: Operator,
) -> None:
    del operator.model.queues[f"{COMMANDS}.fifo"].attributes["RedrivePolicy"]
    operator.model.drop_queue(f"{EVENTS}.fifo")
    operator.model.put(FEEDBACK, "bounce")
    operator.kill(FEEDBACK)
    code, out, err = await operator.run("list")
    assert code == 1
    assert "feedback" in out
    assert f"{COMMANDS}.fifo has no dead-letter queue" in err
    assert f"{EVENTS}.fifo, or its dead-letter queue, does not exist" in err
