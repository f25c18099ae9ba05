"""The one local AWS of a test run with several workers."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.local import programs
from deploy.local.runner import start
from tests.support.stack import local_settings, stop


@dataclass(frozen=True)
class SharedAws:
    port: int
    process: "subprocess.Popen[bytes]"
    state: Path

    @classmethod
    def started(cls) -> "SharedAws":
        """Start it without waiting; each worker waits when it needs it."""
        settings = local_settings(Path(tempfile.mkdtemp(prefix="vouch-aws-")))
        process = start(programs.aws(settings), subprocess.DEVNULL)
        return cls(settings.aws_port, process, settings.state)

    def stop(self) -> None:
        stop(self.process)
        shutil.rmtree(self.state, ignore_errors=True)
