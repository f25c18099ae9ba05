"""Let an operator list, rebuild, verify and roll back the read models of a service."""

import argparse
import asyncio
from typing import Any

from chassis.run.service import Application, OperatorCommand
from chassis.run.terminal import USAGE, ProgressLine, bar, output, report
from chassis.views.inspection import GenerationStatus, Inspection, ParityReport, ProjectionLag
from chassis.views.rebuild.control import RebuildControl
from chassis.views.rebuild.plan import NewerVersion, RebuildInterrupted, RequestedState
from chassis.views.rebuild.progress import RebuildProgress
from chassis.views.rebuild.run import SEGMENTS, Rebuilder

App = Application[Any, Any, Any, Any]

LISTED = 10
"""Streams that are listed by name; further ones are counted."""
_STATES: dict[str, RequestedState] = {
    "pause": "paused",
    "resume": "running",
    "cancel": "cancelled",
}


def _selected(rebuilder: Rebuilder[Any], names: list[str]) -> list[str] | None:
    """Return the named read models, or all; report an unknown name and return None."""
    known = [model.name for model in rebuilder.projector.models]
    if unknown := set(names) - set(known):
        report(f"unknown read model: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        return None
    return names or known


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all read models")


def _one_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a read model")


# projections


def _projections_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-lag",
        dest="lag",
        action="store_false",
        help="do not compare with the head of every stream, which scans the log",
    )


async def _projections(application: App, arguments: argparse.Namespace) -> int:
    inspection = Inspection(application.rebuilder.projector)
    columns = "{:<20}{:>5}{:>12}  {:<11}{}"
    output(columns.format("read model", "fold", "generation", "state", "behind"))
    for status in await inspection.statuses():
        behind = "-"
        if arguments.lag and status.role == "serving" and status.number is not None:
            behind = _lag(await inspection.lag(status.name, status.number))
        number = status.number or "-"
        output(columns.format(status.name, status.version, number, status.state, behind))
        _report_parked(status)
    return 0


def _lag(lag: ProjectionLag) -> str:
    ahead = f"; {lag.ahead_streams} streams ahead of the log" if lag.ahead_streams else ""
    if not lag.lagging_streams:
        return f"0 events, {lag.streams} streams{ahead}"
    behind = f"{lag.lagging_events} events in {lag.lagging_streams} streams, {lag.seconds:.1f} s"
    return behind + ahead


def _report_parked(status: GenerationStatus) -> None:
    for stream, why in list(status.parked.items())[:LISTED]:
        output(f"  parked: {stream}: {why}")
    if len(status.parked) > LISTED:
        output(f"  and {len(status.parked) - LISTED} more parked streams")


# rebuild


def _rebuild_arguments(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--all", action="store_true", help="rebuild all, which is the default")
    parser.add_argument(
        "--segments", type=int, default=SEGMENTS, help=f"parallel scans; default: {SEGMENTS}"
    )
    parser.add_argument(
        "--max-rru", type=float, metavar="N", help="DynamoDB read units per second, at most"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="build and verify, then discard the result"
    )


async def _rebuild(application: App, arguments: argparse.Namespace) -> int:
    rebuilder = application.rebuilder
    if (names := _selected(rebuilder, arguments.names)) is None:
        return USAGE
    rebuilder.on_page = progress_line = ProgressLine(_describe)
    if arguments.max_rru:
        rebuilder.max_read_units = arguments.max_rru / arguments.segments
    for name in names:
        try:
            done = await rebuilder.rebuild(
                name, segments=arguments.segments, switch=not arguments.dry_run
            )
        except (RebuildInterrupted, NewerVersion) as reason:
            report(f"{name}: {reason}")
            return 1
        finally:
            progress_line.end()
        report(
            f"{name}: generation {done.generation} is {'served' if done.switch else 'complete'}; "
            f"{done.events} events of {done.commits} commits in {done.seconds:.1f} s"
        )
        if arguments.dry_run and not await _verify_and_discard(rebuilder, name, done.generation):
            return 1
    return 0


async def _verify_and_discard(rebuilder: Rebuilder[Any], name: str, generation: int) -> bool:
    parity = await Inspection(rebuilder.projector).verify(name, generation)
    _report_parity(parity)
    await RebuildControl(rebuilder.plans).set_state(name, "cancelled")
    return parity.matches


def _describe(progress: RebuildProgress) -> str:
    share = progress.segments_done / progress.segments
    if progress.state == "scanning" and progress.total:
        share = min(1.0, progress.commits / progress.total)
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:,.0f} s left"
    return (
        f"{progress.name}: {bar(share)} {progress.state}, {progress.segments_done}/"
        f"{progress.segments} segments, {progress.events:,} events, "
        f"{progress.events_per_second:,.0f}/s{left}, {progress.gaps} gaps filled, "
        f"{progress.duplicates} duplicates, {progress.repaired} repaired"
    )


# status, pause, resume, cancel, rollback


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="repeat until no rebuild is running")


async def _status(application: App, arguments: argparse.Namespace) -> int:
    inspection = Inspection(application.rebuilder.projector)
    control = RebuildControl(application.rebuilder.plans)
    while True:
        statuses = await inspection.statuses()
        for status in statuses:
            line = f"{status.name}: generation {status.number or '-'} {status.state}"
            progress = await control.progress(status.name)
            if progress is not None and progress.generation == status.number:
                line += f"; {_describe(progress)}"
            output(line)
            _report_parked(status)
        if not arguments.watch or not any(each.role == "building" for each in statuses):
            return 0
        await asyncio.sleep(1)


async def _set_state(application: App, arguments: argparse.Namespace) -> int:
    if _selected(application.rebuilder, [arguments.name]) is None:
        return USAGE
    name, state = arguments.name, _STATES[arguments.command]
    accepted = await RebuildControl(application.rebuilder.plans).set_state(name, state)
    report(f"{name}: {state}" if accepted else f"{name}: no rebuild is running")
    return 0 if accepted else 1


async def _rollback(application: App, arguments: argparse.Namespace) -> int:
    if _selected(application.rebuilder, [arguments.name]) is None:
        return USAGE
    generation = await RebuildControl(application.rebuilder.plans).rollback(arguments.name)
    if generation is None:
        report(f"{arguments.name}: there is no previous generation")
        return 1
    report(f"{arguments.name}: generation {generation} is served")
    return 0


# verify


async def _verify(application: App, arguments: argparse.Namespace) -> int:
    if (names := _selected(application.rebuilder, arguments.names)) is None:
        return USAGE
    inspection = Inspection(application.rebuilder.projector)
    served = await inspection.served()
    mismatches = 0
    for name in names:
        if (generation := served.get(name)) is None:
            report(f"{name}: not served")
            mismatches += 1
            continue
        parity = await inspection.verify(name, generation)
        mismatches += not parity.matches
        _report_parity(parity)
    return 1 if mismatches else 0


def _report_parity(parity: ParityReport) -> None:
    report(
        f"{parity.name}: generation {parity.generation}, {parity.events} events of "
        f"{parity.streams} streams; {parity.lagging_events} events behind in "
        f"{parity.lagging_streams} streams ({parity.lag_seconds:.1f} s), "
        f"{len(parity.ahead)} streams ahead of the log, "
        f"{len(parity.different)} streams differ, {len(parity.unfoldable)} cannot be folded"
    )
    for stream in parity.ahead[:LISTED]:
        report(f"  ahead of the log: {stream}")
    for stream in parity.different[:LISTED]:
        report(f"  differs: {stream}")
    for stream in parity.unfoldable[:LISTED]:
        report(f"  cannot be folded: {stream}")


READ_MODEL_COMMANDS = (
    OperatorCommand(
        "projections", "list the read models and their states", _projections_arguments, _projections
    ),
    OperatorCommand("rebuild", "rebuild read models from the log", _rebuild_arguments, _rebuild),
    OperatorCommand(
        "status", "show the progress of rebuilds and parked streams", _status_arguments, _status
    ),
    OperatorCommand("pause", "pause a rebuild at its next checkpoint", _one_name, _set_state),
    OperatorCommand("resume", "resume a paused rebuild", _one_name, _set_state),
    OperatorCommand("cancel", "cancel a rebuild", _one_name, _set_state),
    OperatorCommand("rollback", "serve the previous generation again", _one_name, _rollback),
    OperatorCommand("verify", "compare read models with a fold of the log", _names, _verify),
)
