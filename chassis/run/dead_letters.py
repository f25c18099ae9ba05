"""Let an operator list, show, resend and discard the dead letters of a service."""

import argparse
import base64
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from chassis.bus.announcements import announcements_queue
from chassis.bus.commands import ACTOR, BODY_HASH, COMMAND_ID, commands_queue
from chassis.bus.outcomes import Outcomes
from chassis.run.service import Application, OperatorCommand
from chassis.run.terminal import USAGE, output, report
from contracts.messages import CommandOutcome, Position, Rejection
from faststream_sqs import NoDeadLetterQueueError
from faststream_sqs.client import is_missing_queue
from faststream_sqs.connection import SQSConnection
from faststream_sqs.dead_letter_queue import DeadLetter, DeadLetterQueue

App = Application[Any, Any, Any, Any]

LIMIT: Final = 1_000
"""Messages that are read from each dead-letter queue, at most."""
DISCARDED: Final = Rejection(
    kind="conflict",
    code="discarded",
    detail="This request could not be carried out. Try it again as a new request.",
)
"""Informs the sender of a discarded command, who would otherwise wait for an outcome."""
_COLUMNS = "{:<38}{:<12}{:<22}{:<34}{:>8}{:>9}  {}"


def _queues(application: App) -> dict[str, str]:
    """Return the queues of a service: short name -> name."""
    service, stack = application.service, application.settings.stack
    queues = {"commands": commands_queue(stack, service.name)}
    if service.subscription is not None:
        queues["events"] = announcements_queue(stack, service.name)
    return queues | {name: f"{stack}-{service.name}-{name}" for name in service.queues}


def _arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    helps = {
        "list": "list the dead letters, and how they got there",
        "show": "print messages as JSON, with all attributes",
        "resend": "send messages back to the queue that they came from",
        "discard": "print messages as JSON, one a line, and delete them",
    }
    for action, text in helps.items():
        added = actions.add_parser(action, help=text)
        added.add_argument(
            "--queue", metavar="QUEUE", help="commands, events or a further queue; default: all"
        )
        added.add_argument(
            "--limit", type=int, default=LIMIT, help=f"messages per queue; default: {LIMIT:,}"
        )
        if action == "list":
            added.set_defaults(ids=[])
        else:
            added.add_argument("ids", nargs="*", metavar="ID", help="as listed")
        if action in ("resend", "discard"):
            added.add_argument("--all", action="store_true", help="all messages of the queues")
        if action == "discard":
            added.add_argument("--yes", action="store_true", help="confirm --all")


async def _dead_letters(application: App, arguments: argparse.Namespace) -> int:
    queues = _queues(application)
    if error := _wrong(arguments, queues):
        report(error)
        return USAGE
    chosen = queues if arguments.queue is None else {arguments.queue: queues[arguments.queue]}
    action = _ACTIONS[arguments.action]
    async with application.resources.broker as broker:
        outcomes = application.handler.outcomes
        run = _Run(await broker.connect(), queues, arguments.limit, outcomes)
        await action(run, chosen, arguments)
    return int(run.failed)


def _wrong(arguments: argparse.Namespace, queues: Mapping[str, str]) -> str | None:
    if arguments.queue is not None and arguments.queue not in queues:
        return f"unknown queue: {arguments.queue}; known: {', '.join(queues)}"
    if arguments.limit < 1:
        return f"--limit {arguments.limit} reads nothing: name 1 or more messages"
    if arguments.action == "list":
        return None
    everything = getattr(arguments, "all", False)
    if everything == bool(arguments.ids):
        return "name messages by their ids" + (
            "" if arguments.action == "show" else ", or all with --all"
        )
    if arguments.action == "discard" and everything and not arguments.yes:
        return "discard --all deletes every dead letter: confirm it with --yes"
    return None


Act = Callable[[str, DeadLetterQueue, list[DeadLetter]], Awaitable[None]]
"""Handles a page of messages: (short name of the queue, its dead-letter queue, messages)."""


class _Stop(Exception):
    """Read no further messages."""


@dataclass(slots=True)
class _Run:
    """Hold what the actions share: the connection, the queues, and whether anything failed."""

    connection: SQSConnection
    queues: Mapping[str, str]
    """All queues of the service: short name -> name."""
    limit: int
    outcomes: Outcomes
    failed: bool = False

    async def each(self, chosen: Mapping[str, str], ids: Sequence[str], act: Act) -> None:
        """Pass the dead letters with these ids, or all without ids, to `act`, page by page."""
        missing = set(ids)

        async def pick(name: str, dead: DeadLetterQueue, page: list[DeadLetter]) -> None:
            letters = [letter for letter in page if not ids or letter.id in missing]
            missing.difference_update(letter.id for letter in letters)
            if letters:
                await act(name, dead, letters)
            if ids and not missing:
                raise _Stop

        try:
            for name, queue in chosen.items():
                await self._read(name, queue, pick)
        except _Stop:
            return
        for each in sorted(missing):
            self.fail(f"{each} was not found")

    async def _read(self, name: str, queue: str, act: Act) -> None:
        try:
            async with DeadLetterQueue(self.connection, queue) as dead:
                async with contextlib.aclosing(dead.pages(self.limit)) as pages:
                    async for page in pages:
                        await act(name, dead, page)
                if left := await dead.behind():
                    report(
                        f"{name}: about {left:,} more were not read: they are beyond --limit, read "
                        "by another process, or behind ten others of their stream"
                    )
        except NoDeadLetterQueueError as error:
            self.fail(str(error))
        except Exception as error:
            if not is_missing_queue(error):
                raise
            self.fail(f"queue {queue}, or its dead-letter queue, does not exist")

    def fail(self, text: str) -> None:
        report(text)
        self.failed = True

    def source(self, letter: DeadLetter, dead: DeadLetterQueue) -> str:
        """Return the queue to send a message back to: one of the service, whatever it claims."""
        known = letter.source in self.queues.values()
        return letter.source if known and letter.source is not None else dead.source


# list, show


async def _list(run: _Run, chosen: Mapping[str, str], arguments: argparse.Namespace) -> None:
    count = 0

    async def act(name: str, _dead: DeadLetterQueue, letters: list[DeadLetter]) -> None:
        nonlocal count
        count += len(letters)
        for letter in letters:
            stream = letter.raw.group_id or "-"
            fields = (_type(letter), stream, _age(letter), letter.receives, _how(letter))
            output(_COLUMNS.format(letter.id, name, *fields))

    output(_COLUMNS.format("id", "queue", "type", "stream", "age", "receives", "moved"))
    await run.each(chosen, arguments.ids, act)
    report(f"{count:,} dead letter{'' if count == 1 else 's'}")


async def _show(run: _Run, chosen: Mapping[str, str], arguments: argparse.Namespace) -> None:
    async def act(name: str, dead: DeadLetterQueue, letters: list[DeadLetter]) -> None:
        for letter in letters:
            described = _described(letter, name, run.source(letter, dead))
            output(orjson.dumps(described, option=orjson.OPT_INDENT_2).decode())

    await run.each(chosen, arguments.ids, act)


def _type(letter: DeadLetter) -> str:
    body = _json(letter)
    return str(body.get("type", "-")) if isinstance(body, dict) else "-"


def _age(letter: DeadLetter) -> str:
    try:
        sent = datetime.fromisoformat(letter.sent_at)
    except ValueError:
        return "-"
    seconds = int((datetime.now(UTC) - sent).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _how(letter: DeadLetter) -> str:
    if letter.rejected:
        return f"rejected: {letter.reason or 'no reason given'}"
    return "by SQS, after too many receives"


def _json(letter: DeadLetter) -> Any:
    try:
        return orjson.loads(letter.body)
    except orjson.JSONDecodeError:
        return None


def _described(letter: DeadLetter, name: str, source: str) -> dict[str, Any]:
    return {
        "id": letter.id,
        "queue": name,
        "source": source,
        "rejected": letter.rejected,
        "reason": letter.reason,
        "sent_at": letter.sent_at,
        "receives": letter.receives,
        "stream": letter.raw.group_id,
        "attributes": letter.raw.attributes,
        "message_attributes": _plain(letter.raw.message_attributes),
        "body": letter.raw.body,
    }


def _plain(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return message attributes with binary values as base64."""
    return {
        name: {
            key: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for key, value in attribute.items()
        }
        for name, attribute in attributes.items()
    }


# resend, discard


async def _resend(run: _Run, chosen: Mapping[str, str], arguments: argparse.Namespace) -> None:
    sent = 0

    async def act(_name: str, dead: DeadLetterQueue, letters: list[DeadLetter]) -> None:
        nonlocal sent
        by_source: dict[str, list[DeadLetter]] = {}
        for letter in letters:
            by_source.setdefault(run.source(letter, dead), []).append(letter)
        for source, group in by_source.items():
            failures = await dead.resend(group, source)
            sent += _count(run, group, failures)
        if run.failed:
            raise _Stop  # those behind a message that failed would overtake it

    await run.each(chosen, arguments.ids, act)
    report(f"{sent:,} resent")


async def _discard(run: _Run, chosen: Mapping[str, str], arguments: argparse.Namespace) -> None:
    discarded = 0

    async def act(name: str, dead: DeadLetterQueue, letters: list[DeadLetter]) -> None:
        nonlocal discarded
        for letter in letters:
            line = _described(letter, name, run.source(letter, dead))
            output(orjson.dumps({"event": "dead_letter_discarded", **line}).decode())
            if name == "commands" and (outcome := _outcome(letter)):
                await run.outcomes.put(outcome)
        sys.stdout.flush()  # printed before it is deleted
        failures = await dead.delete(letters)
        discarded += _count(run, letters, failures)

    await run.each(chosen, arguments.ids, act)
    report(f"{discarded:,} discarded")


def _count(
    run: _Run, letters: Sequence[DeadLetter], results: Sequence[BaseException | None]
) -> int:
    """Report failures; return the number of successes."""
    for letter, error in zip(letters, results, strict=True):
        if error is not None:
            run.fail(f"{letter.id} failed: {error}")
    return sum(error is None for error in results)


def _outcome(letter: DeadLetter) -> CommandOutcome | None:
    """Return the outcome of a discarded command, None if its id is unknown."""
    command_id = letter.headers.get(COMMAND_ID)
    if command_id is None:
        return None
    actor = letter.headers.get(ACTOR)
    return CommandOutcome(
        command_id=str(command_id),
        command=_type(letter),
        body_hash=str(letter.headers.get(BODY_HASH, "")),
        state="rejected",
        position=Position(stream=letter.raw.group_id or "", version=0),
        rejection=DISCARDED,
        actor=None if actor is None else str(actor),
    )


_ACTIONS = {"list": _list, "show": _show, "resend": _resend, "discard": _discard}

DEAD_LETTERS = OperatorCommand(
    "dead-letters", "list, show, resend or discard dead letters", _arguments, _dead_letters
)
