"""Ranges whose transfers contradict the balances are read again, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from compute import worker as worker_module
from compute.analysis import Labels, Parameters
from compute.calculations import ChainProfile, contradictions_of, next_facts, result_of
from compute.chain import EvmChain
from compute.chain_facts import ChainFacts, RequiredFacts
from compute.contradictions import Contradictions, doubtful_ranges
from compute.gathering import TRIALS
from compute.ports import AnalysisResult, MergedTransfers
from compute.state import Completed, checkpoints_of
from compute.transfers import TransferRange
from deploy.local.chain import SimulatedChain
from tests.compute.chain.conftest import Providers
from tests.compute.chain.test_refresh import JOB, queried_ranges
from tests.compute.simulated_token import SimulatedToken, simulated_token
from tests.compute.test_worker import Killed, WorkerHarness, run_again

pytestmark = pytest.mark.slow

PROFILE = ChainProfile("local", Labels("none"), Parameters(funders_of=0))


@dataclass
class Runner:
    """The analysis, in this process."""

    reports: list[Any] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    async def required_facts(self, transfers: MergedTransfers, facts: ChainFacts) -> RequiredFacts:
        return next_facts(transfers, facts, PROFILE)

    async def contradictions(
        self, transfers: MergedTransfers, facts: ChainFacts, ends: Sequence[int]
    ) -> Contradictions:
        return contradictions_of(transfers, facts, PROFILE, ends)

    async def analyse(
        self, transfers: MergedTransfers, facts: ChainFacts, computed_at: int
    ) -> AnalysisResult:
        result = result_of(transfers, facts, PROFILE, computed_at)
        self.reports.append(orjson.loads(result.report))
        self.rows.append(len(transfers))
        return result


class Forgetful(SimulatedChain):
    """A node that never returns every n-th log."""

    every = 30

    def _get_logs(self, query: dict[str, Any]) -> Any:
        return [
            each
            for each in super()._get_logs(query)
            if int(each["transactionHash"], 16) % self.every != 7
        ]


class Rebasing(SimulatedChain):
    """A token whose balances grow without logs."""

    def _call(self, call: dict[str, str], tag: str) -> str:
        result = super()._call(call, tag)
        balance_of = call["data"].startswith("0x70a08231")
        return (
            f"0x{int(result, 16) * (10**6 + int(tag, 16)) // 10**6:064x}" if balance_of else result
        )


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> SimulatedToken:
    monkeypatch.setattr(worker_module, "CHECKPOINT_TRANSFERS", 30)
    return simulated_token(4)


async def harness_of(redis: Redis, providers: Providers, *chains: SimulatedChain) -> WorkerHarness:
    evm: Any = EvmChain(await providers.of(*chains))
    evm._window.size = evm._window.limit = 100
    runner: Any = Runner()
    return await WorkerHarness(redis, evm, runner, max_transfers=100_000).open()


async def worked(harness: WorkerHarness) -> Any:
    """Run an analysis, and return its report."""
    await harness.request()
    await harness.worker.work(JOB)
    assert isinstance(await harness.state(), Completed)
    runner: Any = harness.runner
    return runner.reports[-1]


async def require_repaired(harness: WorkerHarness, simulated: SimulatedToken) -> None:
    report = await worked(harness)
    assert report["quality"]["balancesVerified"], report["quality"]
    assert report["quality"]["logs"] == len(simulated.rows)
    checkpoints = checkpoints_of(await harness.state())
    assert sum(each.count for each in checkpoints) == len(simulated.rows)
    ends = [(each.from_block, each.to_block) for each in checkpoints]
    assert all(one[1] + 1 == other[0] for one, other in pairwise(ends))


@pytest.mark.parametrize("archive", [True, False])
async def test_logs_that_an_endpoint_leaves_out_are_read_from_another(
    archive: bool,  # noqa: FBT001  a row of the table
    redis: Redis,
    providers: Providers,
    simulated: SimulatedToken,
) -> None:
    bad = Forgetful(simulated, gap=3, archive=archive)
    good = SimulatedChain(simulated, gap=3, archive=archive)
    await require_repaired(await harness_of(redis, providers, bad, good), simulated)


@pytest.mark.parametrize("most", [1, 3, 20])
async def test_long_answers_that_are_shortened_are_read_in_smaller_ranges(
    most: int, redis: Redis, providers: Providers, simulated: SimulatedToken
) -> None:
    chain = SimulatedChain(simulated, gap=3, truncates=most)
    await require_repaired(await harness_of(redis, providers, chain), simulated)


async def test_only_doubtful_ranges_are_read_again(
    redis: Redis,
    providers: Providers,
    simulated: SimulatedToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain, get_logs = SimulatedChain(simulated, gap=3), SimulatedChain._get_logs
    missing = {simulated.rows[200].tx_hash, simulated.rows[201].tx_hash}
    forgotten = [set(missing)]

    def once(query: dict[str, Any]) -> Any:
        found = get_logs(chain, query)
        kept = [each for each in found if each["transactionHash"] not in forgotten[0]]
        if len(kept) < len(found):
            forgotten[0] = set()
        return kept

    monkeypatch.setattr(chain, "_get_logs", once)
    ranges = queried_ranges(chain, monkeypatch)
    await require_repaired(await harness_of(redis, providers, chain), simulated)
    first_reading = next(n for n, each in enumerate(ranges) if each[1] == chain.head) + 1
    again = ranges[first_reading:]
    assert again
    block = 4 * simulated.rows[200].block
    assert max(to for _, to in again) - min(at for at, _ in again) < 300
    assert any(at <= block <= to for at, to in again)


async def test_what_no_endpoint_has_is_a_limit_of_the_report(
    redis: Redis, providers: Providers, simulated: SimulatedToken
) -> None:
    chains = Forgetful(simulated, gap=3), Forgetful(simulated, gap=3)
    chains[0].every, chains[1].every = 15, 30  # the second has more of them, but not all
    harness = await harness_of(redis, providers, *chains)
    report = await worked(harness)
    assert not report["quality"]["balancesVerified"]
    assert "transfers_incomplete" in report["quality"]["warnings"]
    assert "transfers_incomplete" in [each["code"] for each in report["limits"]]


async def test_a_token_that_changes_balances_is_read_again_in_a_few_ranges_only(
    redis: Redis,
    providers: Providers,
    simulated: SimulatedToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = Rebasing(simulated, gap=3)
    ranges = queried_ranges(chain, monkeypatch)
    harness = await harness_of(redis, providers, chain)
    report = await worked(harness)
    assert "transfers_incomplete" not in report["quality"]["warnings"]
    assert "AnalysisRewound" not in await harness.event_types()
    checkpoints = checkpoints_of(await harness.state())
    first_reading = next(n for n, each in enumerate(ranges) if each[1] == chain.head) + 1
    again = {block for at, to in ranges[first_reading:] for block in range(at, to + 1)}
    sizes = sorted(each.to_block - each.from_block + 1 for each in checkpoints)
    assert len(checkpoints) > TRIALS
    assert len(again) <= sum(sizes[-TRIALS:])


async def test_a_later_run_reads_nothing_again(
    redis: Redis,
    providers: Providers,
    simulated: SimulatedToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = Forgetful(simulated, gap=3), SimulatedChain(simulated, gap=3)
    harness = await harness_of(redis, providers, bad, good)
    await worked(harness)
    bad.mine(10)
    good.mine(10)
    seen = [queried_ranges(chain, monkeypatch) for chain in (bad, good)]
    await run_again(harness)
    assert {each for ranges in seen for each in ranges} == {(bad.head - 9, bad.head)}


def test_ranges_between_unknown_balances_are_doubtful() -> None:
    found = Contradictions(("a", "b"), ((5, 1), (0, 2), (7, 0), (1, 0)))
    reported = [{"a": 5, "b": 1}, {}, {"a": 13, "b": 3}, {"a": 14, "b": 4}]
    assert doubtful_ranges(found, reported) == [1, 2, 3]
    assert doubtful_ranges(found, [{}, {}, {}, {"a": 99, "b": 3}]) == [0, 1, 2, 3]


async def test_a_worker_that_is_killed_while_it_replaces_ranges_is_resumed(
    redis: Redis,
    providers: Providers,
    simulated: SimulatedToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = Forgetful(simulated, gap=3), SimulatedChain(simulated, gap=3)
    harness = await harness_of(redis, providers, bad, good)
    put = harness.segments.put

    async def killed(chain_id: int, token: str, read: TransferRange) -> str:
        if "AnalysisRewound" in await harness.event_types():
            raise Killed
        return await put(chain_id, token, read)

    with monkeypatch.context() as killing:
        killing.setattr(harness.segments, "put", killed)
        with pytest.raises(Killed):
            await worked(harness)
    assert len(checkpoints_of(await harness.state())) < 3
    await require_repaired(harness, simulated)
