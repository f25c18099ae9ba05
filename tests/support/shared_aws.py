"""Run one local AWS for all workers of a test run."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.local import programs
from deploy.local.programs import start, stop
from tests.support.stack import local_settings


@dataclass(frozen=True)
class SharedAws:
    """Hold the process and the port of the local AWS."""

    port: int
    process: subprocess.Popen[bytes]
    state: Path

    @classmethod
    def start(cls) -> "SharedAws":
        """Start it without waiting; each worker waits when it needs it."""
        settings = local_settings(Path(tempfile.mkdtemp(prefix="vouch-aws-")))
        process = start(programs.aws(settings))
        return cls(settings.aws_port, process, settings.state)

    def stop(self) -> None:
        stop(self.process)
        shutil.rmtree(self.state, ignore_errors=True)
