"""Analyses run on merged columns in a separate process, which may crash."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from compute import analysis_runner
from compute import worker as worker_module
from compute.analysis import Labels, Parameters, analyse, required_facts
from compute.analysis_runner import LocalColumns, ProcessAnalysisRunner, columns_directory
from compute.calculations import ChainProfile, serialize
from compute.chain.segments import key_of, pack
from compute.columns import StoredColumns
from compute.ports import AnalysisFailure
from compute.process import SeparateProcess
from compute.state import Completed, Failed
from compute.transfers import TransferRange, TransferRow, Transfers
from tests.compute.simulated_token import TOKEN, ZERO, SimulatedToken, hash_of, simulated_token
from tests.compute.test_worker import JOB, WorkerHarness

pytestmark = pytest.mark.slow

PROFILE = ChainProfile("ethereum", Labels("none"), Parameters())
GB = 10**9


@dataclass
class RawSegments:
    """Segments as they are stored."""

    stored: dict[str, bytes] = field(default_factory=dict)
    read_keys: list[str] = field(default_factory=list)
    old: dict[str, bytes] = field(default_factory=dict)
    """Those whose keys do not name their content."""

    async def put(self, chain_id: int, token: str, read: TransferRange) -> str:
        body = pack(read.transfers)
        key = key_of(chain_id, token, read, body)
        self.stored[key] = body
        return key

    async def version(self, key: str) -> str:
        return f"{key} {hash(self.old[key])}" if key in self.old else key

    async def read(self, key: str) -> bytes:
        self.read_keys.append(key)
        return self.old[key] if key in self.old else self.stored[key]


@pytest.fixture
async def process() -> AsyncIterator[SeparateProcess]:
    async with SeparateProcess.opened(GB, seconds=100) as process:
        yield process


@pytest.fixture
def columns(process: SeparateProcess, tmp_path: Path) -> LocalColumns:
    return LocalColumns(tmp_path, GB, RawSegments(), process)


async def stored(columns: LocalColumns, simulated: SimulatedToken, ranges: int = 10) -> list[str]:
    """Store the transfers of a token in consecutive ranges of blocks."""
    segments = columns.segments
    assert isinstance(segments, RawSegments)
    size, keys, transfers = simulated.block // ranges + 1, [], simulated.transfers()
    for first in range(0, simulated.block + 1, size):
        last = min(first + size - 1, simulated.block)
        rows = [row for row in simulated.rows if first <= row.block <= last]
        part = type(transfers).of_rows(rows)
        keys.append(await segments.put(1, TOKEN, TransferRange(first, last, hash_of(last), part)))
    return keys


async def merged(columns: LocalColumns, keys: Sequence[str], until: int) -> StoredColumns:
    return await columns.merged(1, TOKEN, keys, until=until)


async def test_the_result_is_that_of_the_transfers_in_memory(
    columns: LocalColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_runner, "SEGMENTS_AT_ONCE", 3)
    simulated = simulated_token(2)
    transfers, facts = simulated.transfers(), simulated.facts()
    runner = ProcessAnalysisRunner({1: PROFILE}, columns.process)
    on_disk = await merged(columns, await stored(columns, simulated), simulated.block)
    assert await runner.required_facts(on_disk, facts) == required_facts(
        transfers, facts, PROFILE.labels, PROFILE.parameters
    )
    expected = analyse(
        transfers, facts, PROFILE.labels, PROFILE.parameters, chain="ethereum", computed_at=7
    )
    assert await runner.analyse(on_disk, facts, 7) == serialize(expected)


async def test_a_refresh_reads_only_new_segments(columns: LocalColumns) -> None:
    simulated = simulated_token(2)
    keys = await stored(columns, simulated)
    assert isinstance(columns.segments, RawSegments)
    await merged(columns, keys[:7], simulated.block)
    columns.segments.read_keys.clear()
    assert len(await merged(columns, keys, simulated.block)) == len(simulated.rows)
    assert columns.segments.read_keys == keys[7:]


@pytest.mark.parametrize("named", [True, False])
async def test_columns_of_other_transfers_in_the_same_blocks_are_not_used(
    columns: LocalColumns,
    named: bool,  # noqa: FBT001  a row of the table
) -> None:
    """Another chain with the same block hashes, or a range that was read again, with more logs."""
    simulated, segments = simulated_token(2), columns.segments
    assert isinstance(segments, RawSegments)
    other = TransferRow(simulated.block - 1, 1, hash_of(7**9), simulated.deployer, ZERO, 5)
    for rows in (simulated.rows, [*simulated.rows, other]):
        read = TransferRange(0, simulated.block, hash_of(9), Transfers.of_rows(rows))
        key = await segments.put(1, TOKEN, read)
        if not named:
            key, body = f"1/{TOKEN}/0-{simulated.block}-{'ab' * 8}.npz", segments.stored[key]
            segments.old[key] = body
        on_disk = await merged(columns, [key], simulated.block)
        assert on_disk.open().value.tobytes() == read.transfers.value.tobytes()


async def test_columns_that_were_replaced_are_not_analysed(columns: LocalColumns) -> None:
    simulated = simulated_token(2)
    keys = await stored(columns, simulated)
    before = await merged(columns, keys, simulated.block)
    await merged(columns, await stored(columns, simulated, ranges=3), simulated.block)
    runner = ProcessAnalysisRunner({1: PROFILE}, columns.process)
    with pytest.raises(Exception, match="not the rows"):
        await runner.required_facts(before, simulated.facts())


async def test_a_token_that_needs_more_memory_is_too_large(
    columns: LocalColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = simulated_token(2)
    on_disk = await merged(columns, await stored(columns, simulated), simulated.block)
    runner = ProcessAnalysisRunner({1: PROFILE}, columns.process)
    with monkeypatch.context() as limited:
        limited.setattr(analysis_runner, "result_of", _too_much)
        with pytest.raises(AnalysisFailure) as failure:
            await runner.analyse(on_disk, simulated.facts(), 7)
    assert failure.value.code == "too_large"
    assert (await runner.analyse(on_disk, simulated.facts(), 7)).num_clusters


def _too_much(*_: object) -> None:
    """Take more memory than the process may have."""
    bytearray(2 * GB)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, "too_large"), (signal.SIGSEGV, "not_computable")]
)
async def test_a_crash_fails_the_analysis_and_not_the_service(
    number: signal.Signals,
    code: str,
    redis: Redis,
    columns: LocalColumns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_module, "CHECKPOINT_TRANSFERS", 20)
    harness = await WorkerHarness(redis).open()
    runner = ProcessAnalysisRunner({1: PROFILE}, columns.process)
    segments = columns.segments
    assert isinstance(segments, RawSegments)
    worker = replace(harness.worker, segments=segments, columns=columns, runner=runner)
    await harness.request()
    with monkeypatch.context() as crashing:
        crashing.setattr(analysis_runner, "result_of", _KILLED[number])
        await worker.work(JOB)
    state = await harness.state()
    assert isinstance(state, Failed)
    assert state.code == code
    harness.services.clock = harness.services.now + 3_600
    await harness.request("again")
    await worker.work(JOB)
    assert isinstance(await harness.state(), Completed)


def _killed(*_: object) -> None:
    """End the process as the system does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def _crashed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


_KILLED = {signal.SIGKILL: _killed, signal.SIGSEGV: _crashed}


def test_two_processes_do_not_share_a_directory(tmp_path: Path) -> None:
    with columns_directory(tmp_path) as first:
        (first / "kept").touch()
        with columns_directory(tmp_path) as second:
            assert first != second
    with columns_directory(tmp_path) as again:
        assert (again / "kept").exists()


def test_directories_of_processes_that_have_ended_are_emptied(tmp_path: Path) -> None:
    """A service that once ran as three processes and now runs as one uses the disk of one."""
    with columns_directory(tmp_path), columns_directory(tmp_path), columns_directory(tmp_path) as c:
        (c / "1").mkdir()
        (c / "1" / "block").touch()
        with columns_directory(tmp_path):
            assert (c / "1" / "block").exists()
    with columns_directory(tmp_path):
        assert not (c / "1").exists()
