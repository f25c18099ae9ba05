"""The verbs that every service understands: run · projections · rebuild · verify · events."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop

from chassis.inspection import SHOWN, Inspection, Parity
from chassis.logging import configure
from chassis.rebuild import Progress, Rebuilder, RebuildInterrupted, RebuildUnderWay
from chassis.service import Application, Resources, open_resources, serve
from chassis.settings import ServiceSettings

USAGE = 2
Assemble = Callable[[ServiceSettings, Resources], Application[Any, Any, Any]]


def main(settings: Callable[[], ServiceSettings], assemble: Assemble) -> None:
    """Carry out the command line; the exit code tells whether it worked."""
    arguments = _parser().parse_args()
    sys.exit(uvloop.run(_run(arguments, settings(), assemble)))


async def _run(arguments: argparse.Namespace, settings: ServiceSettings, assemble: Assemble) -> int:
    async with open_resources(settings) as resources:
        application = assemble(settings, resources)
        configure(settings, application.definition.name)
        match arguments.verb:
            case "run":
                await serve(application)
                return 0
            case "projections":
                return await _projections(application)
            case "rebuild":
                return await _rebuild(application.rebuilder, arguments.names)
            case "verify":
                return await _verify(application, arguments.names)
            case _:
                return await _events(application, arguments.stream, arguments.at)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {sys.argv[0].split('/')[-2]}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="take commands until SIGTERM")
    rebuild = verbs.add_parser("rebuild", help="build read models anew from the event log")
    rebuild.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    verbs.add_parser("projections", help="list the read models and what state they are in")
    verify = verbs.add_parser("verify", help="compare read models with a fold of the log")
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    events = verbs.add_parser("events", help="tell the history of a stream")
    events.add_argument("stream", help="for example counter-7")
    events.add_argument(
        "--at", type=_moment, metavar="WHEN", help="as it was: a version, or a time in ISO 8601"
    )
    return parser


def _moment(text: str) -> dict[str, int]:
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


async def _projections(application: Application[Any, Any, Any]) -> int:
    sys.stdout.write(f"{'read model':<20}{'state':<12}{'serving':>8}{'building':>10}\n")
    for state in await Inspection(application.rebuilder.projector).states():
        serving, building = state.serving or "-", state.building or "-"
        sys.stdout.write(f"{state.name:<20}{state.word:<12}{serving:>8}{building:>10}\n")
    return 0


async def _rebuild(rebuilder: Rebuilder[Any], names: list[str]) -> int:
    if (chosen := _chosen(rebuilder, names)) is None:
        return USAGE
    rebuilder.on_page = _show
    for name in chosen:
        try:
            done = await rebuilder.rebuild(name)
        except (RebuildUnderWay, RebuildInterrupted) as reason:
            _say(f"{name}: {reason}")
            return 1
        _say(
            f"{name}: generation {done.generation} is served; "
            f"{done.events} events of {done.commits} commits in {done.seconds:.1f} s"
        )
    return 0


async def _verify(application: Application[Any, Any, Any], names: list[str]) -> int:
    if (chosen := _chosen(application.rebuilder, names)) is None:
        return USAGE
    inspection = Inspection(application.rebuilder.projector)
    serving = {state.name: state.serving for state in await inspection.states()}
    wrong = 0
    for name in chosen:
        if (generation := serving[name]) is None:
            _say(f"{name}: not served")
            wrong += 1
            continue
        parity = await inspection.verify(name, generation)
        wrong += not parity.whole
        _tell(parity)
    return 1 if wrong else 0


def _tell(parity: Parity) -> None:
    _say(
        f"{parity.name}: generation {parity.generation}, {parity.events} events of "
        f"{parity.streams} streams; {parity.behind_events} events behind in "
        f"{parity.behind_streams} streams ({parity.lag_seconds:.1f} s), "
        f"{len(parity.different)} streams differ"
    )
    for stream in parity.different[:SHOWN]:
        _say(f"  differs: {stream}")


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


def _show(progress: Progress) -> None:
    if sys.stderr.isatty():
        rate = progress.events / max(progress.seconds, 1e-9)
        sys.stderr.write(f"\r{progress.name}: {progress.events} events, {rate:,.0f}/s ")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
