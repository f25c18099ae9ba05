"""python -m deploy.local up | down | demo | token WHO | provision | serve SERVICE."""

import argparse
import os
import signal
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.local.demo import demo
from deploy.local.people import DEMO_PEOPLE, SERVICE, People
from deploy.local.provision import (
    deploy,
    read_environment,
    service_environment,
    wait_for,
    write_environment,
)
from deploy.local.runner import down, serve, up
from deploy.local.settings import HOST, PORTS, SERVICES, LocalSettings


def main() -> int:
    arguments = _parser().parse_args()
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
            return demo(settings, keep=arguments.keep)
        case _:
            return _provision(settings, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="run the stack in the foreground")
    verbs.add_parser("down", help="stop it")
    played = verbs.add_parser("demo", help="play the story, with the stack if it is not up")
    played.add_argument("--keep", action="store_true", help="leave the stack up")
    serving = verbs.add_parser("serve", help="become one service of the stack")
    serving.add_argument("service", choices=SERVICES)
    token = verbs.add_parser("token", help="print a fresh token")
    token.add_argument("who", help=f"an e-mail address, or {SERVICE!r} for a program's token")
    token.add_argument("use", nargs="?", choices=("id", "access"), default="id")
    provision = verbs.add_parser("provision", help="deploy the template and write the environment")
    provision.add_argument("--env-file", type=Path, help="default: the stack's own")
    provision.add_argument(
        "--stay", action="store_true", help="tell when the stack is up, and stay"
    )
    return parser


def _token(settings: LocalSettings, who: str, use: str) -> int:
    if not settings.service_env.exists():
        print("the stack is not up: `make up`, or `make demo KEEP=1`", file=sys.stderr)
        return 1
    if "@" not in who and who != SERVICE:
        print(f"whose token? USER=alice@example.com, or USER={SERVICE}", file=sys.stderr)
        return 2
    people = People.of(read_environment(settings.service_env))
    if who == SERVICE:
        print(people.service_token())
    else:
        print(people.token(who, "access" if use == "access" else "id"))
    return 0


def _provision(settings: LocalSettings, arguments: argparse.Namespace) -> int:
    """Where the endpoints are not this machine's, AWS_ENDPOINT_URL and REDIS_URL name them."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", settings.aws_url)
    redis_url = os.environ.get("REDIS_URL", settings.redis_url)
    wait_for("the local AWS", lambda: _answers(f"{endpoint}/_ministack/health"))
    wait_for("Redis", lambda: _redis_answers(redis_url))
    outputs = deploy(endpoint, settings.stack)
    environment = service_environment(endpoint, settings.stack, redis_url, outputs)
    people = People.of(environment)
    for email in DEMO_PEOPLE:
        people.sign_up(email)
    write_environment(arguments.env_file or settings.service_env, environment)
    print(f"deployed {settings.stack}: {len(outputs)} outputs, {len(DEMO_PEOPLE)} demo people")
    return _stay(settings) if arguments.stay else 0


def _stay(settings: LocalSettings) -> int:
    for service in SERVICES:
        ready = f"http://{HOST}:{settings.health_port(service)}/readyz"
        wait_for(service, partial(_answers, ready))
    settings.ready.write_text(settings.model_dump_json(include=set(PORTS)))
    print(
        f"\nVouch is up at {settings.gateway_url}\n\n"
        f"  a token    make token USER={DEMO_PEOPLE[0]}\n"
        "  a story    make demo\n"
        "  stop       Ctrl-C here, or make down anywhere\n"
    )
    signal.pause()
    return 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310  our own addresses
            return bool(reply.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


def _redis_answers(url: str) -> bool:
    client = Redis.from_url(url)
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()


if __name__ == "__main__":
    sys.exit(main())
