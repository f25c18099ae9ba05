"""Run functions in a separate process, one at a time: neither a crash nor memory ends this one.

The process is this module, started as a program. Requests and responses are pickled on its standard
input and output; both ends belong to the same version of the same service.
"""

import asyncio
import ctypes
import os
import pickle
import resource
import signal
import sys
import traceback
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any, Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_LENGTH: Final = 8
"""Bytes that hold the length of a message."""
_DYING_SECONDS: Final = 5.0
"""Seconds that a process may take to end once it has closed its output."""
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


class ProcessDied(Exception):
    """Report that the process ended during a call: the system killed it, or it crashed."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"the process ended with {code}")
        self.killed = code == -signal.SIGKILL
        """Whether it was killed, as the system does when memory is short."""


class CallTimedOut(Exception):
    """Report that a call took too long; the process was ended."""


@dataclass(slots=True)
class SeparateProcess:
    """Call functions in a process that is started when needed, and again after it has ended."""

    memory: int
    """Bytes of data that it may hold, mapped files excluded; beyond, calls raise MemoryError."""
    seconds: float
    """Time for one call."""
    _process: Process | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def call(self, function: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """Return what a function of a module returns; a cancelled call ends the process.

        Raises:
            ProcessDied: the process has ended.
            CallTimedOut: the call took longer than `seconds`.
            Exception: what the function raised.
        """
        async with self._turn:
            process = await self._started()
            try:
                async with asyncio.timeout(self.seconds):
                    succeeded, result = await _exchange(process, (function, arguments))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                await self._end(after=_DYING_SECONDS)
                raise ProcessDied(process.returncode) from error
            except TimeoutError as error:
                await self._end()
                raise CallTimedOut(f"the call took more than {self.seconds:g} s") from error
            except BaseException:
                await self._end()
                raise
            if succeeded:
                value: T = result
                return value
            if isinstance(result, MemoryError):
                await self._end()  # whatever holds the memory is released
            raise result

    @classmethod
    @asynccontextmanager
    async def opened(cls, memory: int, seconds: float) -> "AsyncIterator[SeparateProcess]":
        """Provide a process, and end it with the context."""
        process = cls(memory, seconds)
        try:
            yield process
        finally:
            await process._end()

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, str(self.memory),
                stdin=PIPE, stdout=PIPE, env={**os.environ, "PYTHONPATH": _import_path()},
            )  # fmt: skip
        return self._process

    async def _end(self, *, after: float = 0.0) -> None:
        """End the process; kill it if it has not ended by itself after some seconds.

        A process that is dying must not be killed: `kill` of the standard library collects its exit
        status, which `wait` then reports as 255.
        """
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), after)
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _exchange(process: Process, request: Any) -> tuple[bool, Any]:
    assert process.stdin is not None  # noqa: S101  both are pipes
    assert process.stdout is not None  # noqa: S101
    message = pickle.dumps(request)
    process.stdin.writelines((len(message).to_bytes(_LENGTH), message))
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(_LENGTH))
    response: tuple[bool, Any] = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301
    return response


def _import_path() -> str:
    """Return where this process finds modules: it need not be in the environment."""
    return os.pathsep.join(each for each in sys.path if each)


def main() -> None:
    """Answer calls until the other process closes the connection."""
    _isolate(int(sys.argv[1]))
    requests, responses = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a function prints is no response
    while header := requests.read(_LENGTH):
        message = requests.read(int.from_bytes(header))
        _respond(responses, _outcome(message))


def _isolate(memory: int) -> None:
    """Let this process be the one that has to go when memory is short, and end with its parent."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent decides when to stop
        signal.signal(number, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, hard))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123  no regular file
            file.write("1000")


def _outcome(message: bytes) -> tuple[bool, Any]:
    try:
        function, arguments = pickle.loads(message)  # noqa: S301
        return True, function(*arguments)
    except Exception as error:  # noqa: BLE001  every error belongs to the caller
        error.add_note(traceback.format_exc())
        return False, error


def _respond(responses: IO[bytes], outcome: tuple[bool, Any]) -> None:
    succeeded, result = outcome
    try:
        message = pickle.dumps(outcome)
        if not succeeded:
            pickle.loads(message)  # noqa: S301  not every exception can be restored
    except Exception:  # noqa: BLE001
        message = pickle.dumps((False, RuntimeError(repr(result))))
    responses.write(len(message).to_bytes(_LENGTH) + message)
    responses.flush()


if __name__ == "__main__":
    main()
