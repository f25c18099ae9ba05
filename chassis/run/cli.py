"""The verbs that every service understands: run, and what an operator asks of read models."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop

from chassis.run.gc_tuning import tune_gc
from chassis.run.logging import configure
from chassis.run.service import Application, Resources, open_resources, serve
from chassis.run.settings import ServiceSettings
from chassis.views.inspection import GenerationStatus, Inspection, ParityReport, ProjectionLag
from chassis.views.rebuild.control import RebuildControl
from chassis.views.rebuild.plan import NewerVersion, RebuildInterrupted, RequestedState
from chassis.views.rebuild.progress import RebuildProgress
from chassis.views.rebuild.run import SEGMENTS, Rebuilder

USAGE = 2
SHOWN = 10
"""Streams that are named; further ones are counted."""
STEERING = {
    "pause": "let a rebuild rest at its checkpoints",
    "resume": "let it go on",
    "cancel": "give it up",
    "rollback": "serve the generation before again, at once",
}
Assemble = Callable[[ServiceSettings, Resources], Application[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Verb:
    """One that a service adds to those that all understand; answers the exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Application[Any, Any, Any], argparse.Namespace], Awaitable[int]]


def main(
    settings: Callable[[], ServiceSettings], assemble: Assemble, verbs: Sequence[Verb] = ()
) -> None:
    """Carry out the command line; the exit code tells whether it worked."""
    arguments = _parser(verbs).parse_args()
    sys.exit(uvloop.run(_run(arguments, settings(), assemble, verbs)))


async def _run(  # noqa: PLR0911  one line for each verb
    arguments: argparse.Namespace,
    settings: ServiceSettings,
    assemble: Assemble,
    verbs: Sequence[Verb],
) -> int:
    async with open_resources(settings) as resources:
        application = assemble(settings, resources)
        configure(settings, application.definition.name)
        tune_gc()
        for own in verbs:
            if own.name == arguments.verb:
                return await own.run(application, arguments)
        match arguments.verb:
            case "run":
                await serve(application)
                return 0
            case "projections":
                return await _projections(application, lag=arguments.lag)
            case "rebuild":
                return await _rebuild(application.rebuilder, arguments)
            case "status":
                return await _status(application.rebuilder, watch=arguments.watch)
            case "pause" | "resume" | "cancel" | "rollback" as verb:
                return await _steer(application.rebuilder, verb, arguments.name)
            case "verify":
                return await _verify(application, arguments.names)
            case _:
                return await _events(application, arguments.stream, arguments.at)


def _parser(own: Sequence[Verb] = ()) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {sys.argv[0].split('/')[-2]}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in own:
        verb.arguments(verbs.add_parser(verb.name, help=verb.help))
    verbs.add_parser("run", help="take commands until SIGTERM")
    rebuild = verbs.add_parser("rebuild", help="build read models anew from the event log")
    rebuild.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    rebuild.add_argument("--all", action="store_true", help="all of them, in so many words")
    rebuild.add_argument("--segments", type=int, default=SEGMENTS, help="parts scanned at a time")
    rebuild.add_argument(
        "--max-rru", type=float, metavar="N", help="read units per second that it may use"
    )
    rebuild.add_argument("--dry-run", action="store_true", help="build, verify, and serve nothing")
    status = verbs.add_parser("status", help="how far rebuilds have come, and what stands still")
    status.add_argument("--watch", action="store_true", help="until nothing is being built")
    for name, words in STEERING.items():
        verbs.add_parser(name, help=words).add_argument("name", metavar="NAME")
    projections = verbs.add_parser("projections", help="list the read models and their states")
    projections.add_argument(
        "--no-lag", dest="lag", action="store_false", help="spare the look at every stream's head"
    )
    verify = verbs.add_parser("verify", help="compare read models with a fold of the log")
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    events = verbs.add_parser("events", help="tell the history of a stream")
    events.add_argument("stream", help="for example counter-7")
    events.add_argument(
        "--at", type=moment, metavar="WHEN", help="as it was: a version, or a time in ISO 8601"
    )
    return parser


def moment(text: str) -> dict[str, int]:
    """A version or a time, as `History.as_of` takes them."""
    if text.isdecimal():
        return {"version": int(text)}
    when = datetime.fromisoformat(text)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return {"at_ms": int(when.timestamp() * 1000)}


def _chosen(rebuilder: Rebuilder[Any], names: list[str]) -> list[str] | None:
    """The names that were asked for, or all; None, and a word about it, if one is unknown."""
    known = [model.name for model in rebuilder.projector.models]
    if unknown := set(names) - set(known):
        _say(f"no read model {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return None
    return names or known


async def _projections(application: Application[Any, Any, Any], *, lag: bool) -> int:
    inspection = Inspection(application.rebuilder.projector)
    columns = "{:<20}{:>5}{:>12}  {:<11}{}\n"
    sys.stdout.write(columns.format("read model", "fold", "generation", "state", "behind"))
    for copy in await inspection.statuses():
        behind = "-"
        if lag and copy.role == "serving" and copy.number is not None:
            behind = _behind(await inspection.lag(copy.name, copy.number))
        number = copy.number or "-"
        sys.stdout.write(columns.format(copy.name, copy.version, number, copy.state, behind))
        _tell_parked(copy)
    return 0


def _behind(lag: ProjectionLag) -> str:
    if not lag.lagging_streams:
        return f"0 events, {lag.streams} streams"
    return f"{lag.lagging_events} events in {lag.lagging_streams} streams, {lag.seconds:.1f} s"


def _tell_parked(copy: GenerationStatus) -> None:
    for stream, why in list(copy.parked.items())[:SHOWN]:
        sys.stdout.write(f"  stands still: {stream}: {why}\n")
    if len(copy.parked) > SHOWN:
        sys.stdout.write(f"  and {len(copy.parked) - SHOWN} streams more\n")


async def _rebuild(rebuilder: Rebuilder[Any], arguments: argparse.Namespace) -> int:
    if (chosen := _chosen(rebuilder, arguments.names)) is None:
        return USAGE
    rebuilder.on_page = display = Display()
    if arguments.max_rru:
        rebuilder.max_read_units = arguments.max_rru / arguments.segments
    for name in chosen:
        try:
            done = await rebuilder.rebuild(
                name, segments=arguments.segments, switch=not arguments.dry_run
            )
        except (RebuildInterrupted, NewerVersion) as reason:
            _say(f"{name}: {reason}")
            return 1
        finally:
            display.end()
        _say(
            f"{name}: generation {done.generation} is {'served' if done.switch else 'complete'}; "
            f"{done.events} events of {done.commits} commits in {done.seconds:.1f} s"
        )
        if arguments.dry_run and not await _look_at(rebuilder, name, done.generation):
            return 1
    return 0


async def _look_at(rebuilder: Rebuilder[Any], name: str, generation: int) -> bool:
    """Verify a generation that is not served, and drop it."""
    parity = await Inspection(rebuilder.projector).verify(name, generation)
    _tell(parity)
    await RebuildControl(rebuilder.plans).set_state(name, "cancelled")
    return parity.matches


async def _status(rebuilder: Rebuilder[Any], *, watch: bool) -> int:
    inspection = Inspection(rebuilder.projector)
    while True:
        copies = await inspection.statuses()
        for copy in copies:
            line = f"{copy.name}: generation {copy.number or '-'} {copy.state}"
            progress = await RebuildControl(rebuilder.plans).progress(copy.name)
            if progress is not None and progress.generation == copy.number:
                line += f" {_bar(progress)}"
            sys.stdout.write(f"{line}\n")
            _tell_parked(copy)
        if not watch or not any(copy.role == "building" for copy in copies):
            return 0
        await asyncio.sleep(1)


async def _steer(rebuilder: Rebuilder[Any], verb: str, name: str) -> int:
    if _chosen(rebuilder, [name]) is None:
        return USAGE
    if verb == "rollback":
        generation = await RebuildControl(rebuilder.plans).rollback(name)
        _say(f"{name}: generation {generation} is served" if generation else f"{name}: none before")
        return 0 if generation else 1
    states: dict[str, RequestedState] = {
        "pause": "paused",
        "resume": "running",
        "cancel": "cancelled",
    }
    steered = await RebuildControl(rebuilder.plans).set_state(name, states[verb])
    _say(f"{name}: {states[verb]}" if steered else f"{name}: nothing is being built")
    return 0 if steered else 1


async def _verify(application: Application[Any, Any, Any], names: list[str]) -> int:
    if (chosen := _chosen(application.rebuilder, names)) is None:
        return USAGE
    inspection = Inspection(application.rebuilder.projector)
    served = await inspection.served()
    wrong = 0
    for name in chosen:
        if (generation := served.get(name)) is None:
            _say(f"{name}: not served")
            wrong += 1
            continue
        parity = await inspection.verify(name, generation)
        wrong += not parity.matches
        _tell(parity)
    return 1 if wrong else 0


def _tell(parity: ParityReport) -> None:
    _say(
        f"{parity.name}: generation {parity.generation}, {parity.events} events of "
        f"{parity.streams} streams; {parity.lagging_events} events behind in "
        f"{parity.lagging_streams} streams ({parity.lag_seconds:.1f} s), "
        f"{len(parity.different)} streams differ, {len(parity.unfoldable)} cannot be folded"
    )
    for stream in parity.different[:SHOWN]:
        _say(f"  differs: {stream}")
    for stream in parity.unfoldable[:SHOWN]:
        _say(f"  cannot be folded: {stream}")


async def _events(
    application: Application[Any, Any, Any], stream: str, at: dict[str, int] | None
) -> int:
    history = (await application.store.load(stream)).as_of(**(at or {}))
    if not history.commits:
        _say(f"there is no stream {stream}" + (" at that time" if at else ""))
        return 1
    for commit in history.commits:
        when = datetime.fromtimestamp(commit.origin.at / 1000, UTC).isoformat(timespec="seconds")
        for version, event in enumerate(commit.events, start=commit.first):
            payload = orjson.dumps(event.model_dump(mode="json", exclude={"type"})).decode()
            sys.stdout.write(f"{version:>4}  {when}  {event.type}  {payload}\n")
    return 0


class Display:
    """A line that is written over on a terminal; plain lines, one a second, elsewhere."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, progress: RebuildProgress) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{progress.name}: {_bar(progress)}\x1b[K")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + 1
            _say(f"{progress.name}: {_bar(progress)}")

    def end(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\n")


def _bar(progress: RebuildProgress, width: int = 20) -> str:
    share = progress.segments_done / progress.segments
    if progress.state == "scanning" and progress.total:
        share = min(1.0, progress.commits / progress.total)
    done = int(share * width)
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:,.0f} s left"
    return (
        f"[{'#' * done}{'.' * (width - done)}] {progress.state}, {progress.segments_done}/"
        f"{progress.segments} segments, {progress.events:,} events, "
        f"{progress.events_per_second:,.0f}/s{left}, {progress.gaps} gaps filled, "
        f"{progress.duplicates} duplicates, {progress.repaired} behind"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
