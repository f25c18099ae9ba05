"""A separate process answers calls; its end is the end of one call, and of nothing else."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from compute.process import CallTimedOut, ProcessDied, SeparateProcess

pytestmark = pytest.mark.slow

MEMORY = 400 * 2**20


@pytest.fixture
async def process() -> AsyncIterator[SeparateProcess]:
    async with SeparateProcess.opened(MEMORY, seconds=60) as process:
        yield process


async def test_calls_run_in_one_other_process(process: SeparateProcess) -> None:
    first = await process.call(os.getpid)
    assert first != os.getpid()
    assert await process.call(os.getpid) == first
    assert await process.call(divmod, 17, 5) == (3, 2)
    assert await process.call(len, bytes(3_000_000)) == 3_000_000
    assert len(await process.call(bytes, 3_000_000)) == 3_000_000


async def test_an_error_reaches_the_caller(process: SeparateProcess) -> None:
    before = await process.call(os.getpid)
    with pytest.raises(ZeroDivisionError) as failure:
        await process.call(divmod, 1, 0)
    assert "Traceback" in failure.value.__notes__[0]
    assert await process.call(os.getpid) == before


async def test_what_a_function_prints_is_no_response(process: SeparateProcess) -> None:
    await process.call(print, "12345678")
    assert await process.call(abs, -1) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_crash_ends_one_call_only(process: SeparateProcess, number: signal.Signals) -> None:
    pid = await process.call(os.getpid)
    with pytest.raises(ProcessDied):
        await process.call(os.kill, pid, number)
    assert await process.call(os.getpid) != pid


async def test_a_process_that_ended_between_calls_is_replaced(process: SeparateProcess) -> None:
    pid = await process.call(os.getpid)
    os.kill(pid, signal.SIGKILL)
    try:
        again = await process.call(os.getpid)
    except ProcessDied:  # it had not been noticed yet
        again = await process.call(os.getpid)
    assert again != pid


async def test_memory_beyond_the_limit_is_an_error(process: SeparateProcess) -> None:
    pid = await process.call(os.getpid)
    with pytest.raises(MemoryError):
        await process.call(bytearray, 2 * MEMORY)
    assert await process.call(os.getpid) != pid  # what the first one held is released


async def test_a_cancelled_call_ends_the_process(process: SeparateProcess) -> None:
    pid = await process.call(os.getpid)
    call = asyncio.create_task(process.call(time.sleep, 600))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    require_ended(pid)
    assert await process.call(abs, -1) == 1


async def test_a_call_that_takes_too_long_ends_the_process() -> None:
    async with SeparateProcess.opened(MEMORY, seconds=60) as process:
        pid = await process.call(os.getpid)
        process.seconds = 0.01
        with pytest.raises(CallTimedOut):
            await process.call(time.sleep, 600)
        require_ended(pid)


async def test_signals_to_all_processes_of_the_service_are_left_to_the_parent(
    process: SeparateProcess,
) -> None:
    pid = await process.call(os.getpid)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    assert await process.call(os.getpid) == pid


async def test_the_process_ends_with_its_context() -> None:
    async with SeparateProcess.opened(MEMORY, seconds=60) as process:
        pid = await process.call(os.getpid)
    require_ended(pid)


def require_ended(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
