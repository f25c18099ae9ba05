"""The verbs that every service understands: run · rebuild · events."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop

from chassis.logging import configure
from chassis.rebuild import Progress, Rebuilder, RebuildInterrupted, RebuildUnderWay
from chassis.service import Application, Resources, open_resources, serve
from chassis.settings import ServiceSettings

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
            case "rebuild":
                return await _rebuild(application.rebuilder, arguments.names)
            case _:
                return await _events(application, arguments.stream)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {sys.argv[0].split('/')[-2]}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="take commands until SIGTERM")
    rebuild = verbs.add_parser("rebuild", help="build read models anew from the event log")
    rebuild.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    events = verbs.add_parser("events", help="tell the history of a stream")
    events.add_argument("stream", help="for example member-…")
    return parser


async def _rebuild(rebuilder: Rebuilder[Any], names: list[str]) -> int:
    known = [model.name for model in rebuilder.projector.models]
    if unknown := set(names) - set(known):
        _say(f"no read model {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        return 2
    rebuilder.on_page = _show
    for name in names or known:
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


async def _events(application: Application[Any, Any, Any], stream: str) -> int:
    history = await application.store.load(stream)
    if not history.commits:
        _say(f"there is no stream {stream}")
        return 1
    for commit in history.commits:
        at = datetime.fromtimestamp(commit.origin.at / 1000, UTC).isoformat(timespec="seconds")
        for version, event in enumerate(commit.events, start=commit.first):
            payload = orjson.dumps(event.model_dump(mode="json", exclude={"type"})).decode()
            sys.stdout.write(f"{version:>4}  {at}  {event.type}  {payload}\n")
    return 0


def _show(progress: Progress) -> None:
    if sys.stderr.isatty():
        rate = progress.events / max(progress.seconds, 1e-9)
        sys.stderr.write(f"\r{progress.name}: {progress.events} events, {rate:,.0f}/s ")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
