"""From an empty local AWS to one that services can start on; also run by docker-compose.yml."""

import argparse
import os
import urllib.request
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.local.people import DEMO_PEOPLE, People
from deploy.local.provision import deploy, service_environment, wait_for, write_environment
from deploy.local.settings import LocalSettings

OK = 200


def bootstrap(
    settings: LocalSettings, endpoint: str, redis_url: str, env_file: Path, chain_url: str
) -> None:
    """Wait for both, deploy the template, make the demo people, write the environment."""
    wait_for("the local AWS", lambda: answers(f"{endpoint}/_ministack/health"))
    wait_for("Redis", lambda: _redis_answers(redis_url))
    outputs = deploy(endpoint, settings.stack)
    environment = service_environment(endpoint, settings.stack, redis_url, outputs, chain_url)
    people = People.of(environment)
    for email in DEMO_PEOPLE:
        people.sign_up(email)
    write_environment(env_file, environment)
    print(f"deployed {settings.stack}: {len(outputs)} outputs, {len(DEMO_PEOPLE)} demo people")


def answers(url: str) -> bool:
    """Whether there is a 200 at this address now."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310  our own addresses
            return bool(reply.status == OK)
    except OSError:  # refused, reset, timed out, or an answer that is none
        return False


def _redis_answers(url: str) -> bool:
    client = Redis.from_url(url)
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.bootstrap")
    parser.add_argument("--env-file", type=Path, required=True)
    arguments = parser.parse_args()
    endpoint, redis_url = os.environ["AWS_ENDPOINT_URL"], os.environ["REDIS_URL"]
    chain_url = os.environ.get("CHAIN_URL", "")
    bootstrap(LocalSettings(), endpoint, redis_url, arguments.env_file, chain_url)


if __name__ == "__main__":
    main()
