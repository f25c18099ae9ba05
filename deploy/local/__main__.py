"""Run the local stack, and act on it: `python -m deploy.local --help`."""

import argparse
import signal
import sys
from collections.abc import Callable
from functools import partial

from deploy.local.demo_users import DEMO_USERS, PASSWORD, PROGRAM, UserPool
from deploy.local.environment import isolate_environment
from deploy.local.provision import read_environment, wait_for
from deploy.local.runner import down, running, serve, up
from deploy.local.settings import HOST, SERVICES, LocalSettings

Run = Callable[[LocalSettings, argparse.Namespace], int]
"""Run a verb with its arguments; return the exit code."""


def main() -> int:
    """Run one verb of the command line; return the exit code."""
    arguments = _parser().parse_args()
    isolate_environment()
    code: int = arguments.run(LocalSettings(), arguments)
    return code


def _demo(settings: LocalSettings, *, keep: bool) -> int:
    from deploy.local.demo import demo  # noqa: PLC0415  every service would wait for its imports

    # whichever signal ends it, it stops the stack that it has started
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    return demo(settings, keep=keep)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    verbs = parser.add_subparsers(required=True)

    def verb(name: str, description: str, run: Run) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=description)
        added.set_defaults(run=run)
        return added

    verb("up", "run the stack in the foreground", lambda settings, _: up(settings))
    verb("down", "stop it", lambda settings, _: down(settings))
    played = verb(
        "demo",
        "follow one member through the system",
        lambda settings, given: _demo(settings, keep=given.keep),
    )
    played.add_argument("--keep", action="store_true", help="leave the stack up")
    verb("seed", "fill the pages of the running stack", lambda settings, _: _seed(settings))
    serving = verb(
        "serve", "run one service", lambda settings, given: serve(settings, given.service)
    )
    serving.add_argument("service", choices=SERVICES)
    token = verb(
        "token",
        "print a fresh token",
        lambda settings, given: _token(settings, given.who, given.use),
    )
    token.add_argument("who", help=f"an e-mail address, or {PROGRAM!r} for a program's token")
    token.add_argument("use", nargs="?", choices=("id", "access"), default="id")
    limits = verb(
        "limits",
        "raise the limits per address",
        lambda settings, given: _limits(settings, given.times),
    )
    limits.add_argument("times", type=int, help="how many times as much; 1 restores them")
    provision = verb(
        "provision",
        "deploy the data stacks and write the environment",
        lambda settings, given: _provision(settings, stay=given.stay),
    )
    provision.add_argument(
        "--stay", action="store_true", help="wait until the stack is up, say so, and stay"
    )
    return parser


def _seed(settings: LocalSettings) -> int:
    from deploy.local.seed import MEMBER, seed  # noqa: PLC0415  as above

    if not settings.ready.exists():
        return _report_that_it_is_down()
    started = settings.as_started()
    done = "Done" if seed(started) else "That was done before"
    print(f"{done}: open {started.gateway_url}/app/ and sign in as {MEMBER} with {PASSWORD}")
    return 0


def _token(settings: LocalSettings, who: str, use: str) -> int:
    if running(settings) is None or not settings.service_env.exists():
        return _report_that_it_is_down()
    if "@" not in who and who != PROGRAM:
        print(f"Whose token? USER=alice@example.com, or USER={PROGRAM}", file=sys.stderr)
        return 2
    users = UserPool.of(read_environment(settings.service_env))
    if who == PROGRAM:
        print(users.service_token())
    else:
        print(users.token(who, "access" if use == "access" else "id"))
    return 0


def _limits(settings: LocalSettings, times: int) -> int:
    from redis.exceptions import ConnectionError as RedisConnectionError  # noqa: PLC0415  as above

    from deploy.local.rate_limits import (  # noqa: PLC0415  as above
        raise_limits,
        wait_until_enforced,
    )

    if times < 1:
        print("How many times as much? TIMES=100, or TIMES=1 to restore", file=sys.stderr)
        return 2
    if not settings.ready.exists():
        return _report_that_it_is_down()
    started = settings.as_started()
    try:
        print(*raise_limits(started.redis_url, times), sep="\n", flush=True)
    except RedisConnectionError:
        return _report_that_it_is_down()
    try:
        enforced = wait_until_enforced(started.gateway_url, times)
    except TimeoutError:
        print(f"{started.gateway_url} does not enforce them yet: see its log", file=sys.stderr)
        return 1
    print("The gateway enforces them." if enforced else "No gateway runs; the next one will.")
    return 0


def _report_that_it_is_down() -> int:
    print("The system is not up. Start it: make up, or make demo", file=sys.stderr)
    return 1


def _provision(settings: LocalSettings, *, stay: bool) -> int:
    from deploy.local.bootstrap import bootstrap  # noqa: PLC0415  as above

    bootstrap(
        settings, settings.aws_url, settings.redis_url, settings.service_env, settings.chain_url
    )
    return _stay(settings) if stay else 0


def _stay(settings: LocalSettings) -> int:
    from deploy.local.bootstrap import answers  # noqa: PLC0415  as above

    for service in SERVICES:
        ready = f"http://{HOST}:{settings.port_of(service)}/readyz"
        wait_for(service, partial(answers, ready))
    settings.note_ports()
    print(
        f"\nVouch is up at {settings.gateway_url}\n\n"
        f"  the pages  {settings.gateway_url}/app/ (sign in as {DEMO_USERS[0]} with {PASSWORD})\n"
        f"  the API    {settings.gateway_url}/docs\n"
        f"  a token    make token USER={DEMO_USERS[0]}\n"
        "  a demo     make demo\n"
        "  stop       Ctrl-C here, or make down anywhere\n"
    )
    signal.pause()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
