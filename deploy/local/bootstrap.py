"""Prepare an empty local AWS for the services; docker-compose.yml runs this, too."""

import argparse
import os
import urllib.request
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.local.demo_users import DEMO_USERS, UserPool
from deploy.local.provision import (
    deploy,
    service_environment,
    wait_for,
    web_environment,
    write_environment,
)
from deploy.local.settings import LocalSettings

OK = 200
REFRESH_SECONDS = 5
"""Age in seconds from which the demo token can be analysed again."""


def bootstrap(
    settings: LocalSettings, endpoint: str, redis_url: str, env_file: Path, chain_url: str
) -> None:
    """Wait for AWS and Redis, deploy, sign up the demo users, and write the environment."""
    wait_for("the local AWS", lambda: answers(f"{endpoint}/_ministack/health"))
    wait_for("Redis", lambda: _redis_answers(redis_url))
    names = deploy(endpoint, settings.stack, settings.gateway_url)
    environment = service_environment(endpoint, settings.stack, redis_url, names, chain_url)
    environment |= {"REFRESH_SECONDS": str(REFRESH_SECONDS)}
    # for browsers, which reach both on this machine, also when they run in containers
    environment |= web_environment(settings.gateway_url, settings.aws_url)
    users = UserPool.of(environment)
    for email in DEMO_USERS:
        users.sign_up(email)
    write_environment(env_file, environment)
    print(f"deployed {settings.stack}: {len(names)} names, {len(DEMO_USERS)} demo users")


def answers(url: str) -> bool:
    """Return whether the address responds with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  local addresses
            return bool(response.status == OK)
    except OSError:  # refused, reset, timed out, or no valid response
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
    """Prepare the AWS and the Redis that the environment names."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.bootstrap")
    parser.add_argument("--env-file", type=Path, required=True)
    arguments = parser.parse_args()
    endpoint, redis_url = os.environ["AWS_ENDPOINT_URL"], os.environ["REDIS_URL"]
    chain_url = os.environ.get("CHAIN_URL", "")
    bootstrap(LocalSettings(), endpoint, redis_url, arguments.env_file, chain_url)


if __name__ == "__main__":
    main()
