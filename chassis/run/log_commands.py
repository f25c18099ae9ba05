"""Let an operator read the event log, and announce past events to a new subscriber."""

import argparse
from datetime import UTC, datetime
from typing import Any

import orjson

from chassis.bus.backfill import Backfill, BackfillProgress, UnknownSubscriber
from chassis.run.service import Application, OperatorCommand
from chassis.run.terminal import (
    USAGE,
    ProgressLine,
    bar,
    output,
    parse_time,
    parse_version_or_time,
    report,
)

App = Application[Any, Any, Any, Any]


def _events_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stream", help="a stream id, for example member-7")
    parser.add_argument(
        "--at",
        type=parse_version_or_time,
        default={},
        metavar="WHEN",
        help="print the history up to a version, or up to a time in ISO 8601",
    )


async def _events(application: App, arguments: argparse.Namespace) -> int:
    history = (await application.store.load(arguments.stream)).as_of(**arguments.at)
    if not history.commits:
        when = " at that time" if arguments.at else ""
        report(f"stream {arguments.stream} has no events{when}")
        return 1
    for commit in history.commits:
        when = datetime.fromtimestamp(commit.origin.at / 1000, UTC).isoformat(timespec="seconds")
        for version, event in enumerate(commit.events, start=commit.first):
            payload = orjson.dumps(event.model_dump(mode="json", exclude={"type"})).decode()
            output(f"{version:>4}  {when}  {event.type}  {payload}")
    return 0


def _announce_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", required=True, metavar="SERVICE", help="the subscriber; no other receives anything"
    )
    parser.add_argument(
        "--since",
        type=parse_time,
        default=0,
        metavar="TIME",
        help="a time in ISO 8601 (UTC without an offset); default: the beginning of the log",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="count the events, and announce nothing"
    )


async def _announce(application: App, arguments: argparse.Namespace) -> int:
    """Announce past events; an interrupted run resumes when the command is repeated."""
    progress_line = ProgressLine(_describe)
    handler, broker = application.handler, application.resources.broker
    backfill = Backfill(
        application.store,
        handler.announcer,
        application.resources.redis,
        application.service.name,
        on_page=progress_line,
    )
    try:
        async with broker:
            done = await backfill.run(
                arguments.to, since_ms=arguments.since, dry_run=arguments.dry_run
            )
    except UnknownSubscriber as error:
        report(str(error))
        return USAGE
    finally:
        progress_line.end()
    verb = "would be announced" if arguments.dry_run else "announced"
    events = "event" if done.announced == 1 else "events"
    output(f"{done.announced:,} {events} {verb} to {arguments.to}; {done.commits:,} commits read")
    for stream, because in done.unreadable.items():
        report(f"left out: {stream}: {because}")
    if done.unreadable:
        report("Run a version that can read these streams, then repeat the command.")
    return 1 if done.unreadable else 0


def _describe(progress: BackfillProgress) -> str:
    share = progress.commits / progress.total if progress.total else 1.0
    return (
        f"announce: {bar(share)} {progress.commits:,} of about {progress.total:,} commits, "
        f"{progress.announced:,} events"
    )


LOG_COMMANDS = (
    OperatorCommand("events", "print the events of a stream", _events_arguments, _events),
    OperatorCommand(
        "announce",
        "announce past events to one subscriber, in the order of each stream",
        _announce_arguments,
        _announce,
    ),
)
