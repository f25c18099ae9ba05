"""Play docs/aws.md on a local AWS that is started for it: `make aws-local`."""

import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.folders import service_names
from deploy.local import programs
from deploy.local.bootstrap import answers
from deploy.local.cloud.journeys import Differs
from deploy.local.cloud.play import play
from deploy.local.cloud.tasks import TaskFailed
from deploy.local.environment import isolate_environment
from deploy.local.ports import unused_ports
from deploy.local.provision import NotDeployed, wait_for
from deploy.local.settings import LocalSettings


def main() -> int:
    """Play the page; return 0 if everything was as expected."""
    isolate_environment()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vouch-aws-") as state, contextlib.ExitStack() as open_:
        settings = _settings(Path(state))
        for program in (programs.redis(settings), programs.aws(settings)):
            open_.enter_context(programs.running(program))
        wait_for("the local AWS", lambda: answers(f"{settings.aws_url}/_ministack/health"))
        wait_for("Redis", lambda: _pings(settings.redis_url))
        try:
            play(settings)
        except (Differs, NotDeployed, TaskFailed, TimeoutError) as wrong:
            print(f"\nIt differs: {wrong}", file=sys.stderr)
            return 1
    print(f"\nEverything was as docs/aws.md says, in {time.monotonic() - began:.0f} s.")
    return 0


def _settings(state: Path) -> LocalSettings:
    aws, redis, *_ = unused_ports(2 + len(service_names()))
    return LocalSettings(aws_port=aws, redis_port=redis, persist=False, LOCAL_STATE=state)


def _pings(url: str) -> bool:
    with contextlib.suppress(RedisError), Redis.from_url(url) as redis:
        return bool(redis.ping())
    return False


if __name__ == "__main__":
    sys.exit(main())
