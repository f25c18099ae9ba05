"""Run the local stack: python -m deploy.local up | down | demo | token | provision | serve."""

import argparse
import signal
import sys
from functools import partial

from deploy.local.demo_users import DEMO_USERS, PROGRAM, UserPool
from deploy.local.environment import isolate_environment
from deploy.local.provision import read_environment, wait_for
from deploy.local.runner import down, running, serve, up
from deploy.local.settings import HOST, PORTS, SERVICES, LocalSettings


def main() -> int:
    """Run one verb of the command line; return the exit code."""
    arguments = _parser().parse_args()
    isolate_environment()
    settings = LocalSettings()
    match arguments.verb:
        case "up":
            return up(settings)
        case "down":
            return down(settings)
        case "serve":
            return serve(settings, arguments.service)
        case "token":
            return _token(settings, arguments.who, arguments.use)
        case "demo":
            return _demo(settings, keep=arguments.keep)
        case _:
            return _provision(settings, stay=arguments.stay)


def _demo(settings: LocalSettings, *, keep: bool) -> int:
    from deploy.local.demo import demo  # noqa: PLC0415  every service would wait for its imports

    # whichever signal ends it, it stops the stack that it has started
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    return demo(settings, keep=keep)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="run the stack in the foreground")
    verbs.add_parser("down", help="stop it")
    played = verbs.add_parser("demo", help="follow one member through the system")
    played.add_argument("--keep", action="store_true", help="leave the stack up")
    serving = verbs.add_parser("serve", help="run one service of the stack")
    serving.add_argument("service", choices=SERVICES)
    token = verbs.add_parser("token", help="print a fresh token")
    token.add_argument("who", help=f"an e-mail address, or {PROGRAM!r} for a program's token")
    token.add_argument("use", nargs="?", choices=("id", "access"), default="id")
    provision = verbs.add_parser("provision", help="deploy the template and write the environment")
    provision.add_argument(
        "--stay", action="store_true", help="wait until the stack is up, say so, and stay"
    )
    return parser


def _token(settings: LocalSettings, who: str, use: str) -> int:
    if running(settings) is None or not settings.service_env.exists():
        print("The system is not up. Start it: make up, or make demo KEEP=1", file=sys.stderr)
        return 1
    if "@" not in who and who != PROGRAM:
        print(f"Whose token? USER=alice@example.com, or USER={PROGRAM}", file=sys.stderr)
        return 2
    users = UserPool.of(read_environment(settings.service_env))
    if who == PROGRAM:
        print(users.service_token())
    else:
        print(users.token(who, "access" if use == "access" else "id"))
    return 0


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
    settings.ready.write_text(settings.model_dump_json(include=set(PORTS)))
    print(
        f"\nVouch is up at {settings.gateway_url}\n\n"
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
