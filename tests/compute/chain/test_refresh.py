"""A later run queries a provider for new blocks only; after a reorganisation, for changed ones."""

from typing import Any

import pytest
from redis.asyncio import Redis

from compute.chain import EvmChain
from compute.run import Job
from compute.state import checkpoints_of
from deploy.local.chain import SimulatedChain
from tests.compute.chain.conftest import Providers
from tests.compute.simulated_token import TOKEN, UNIT, SimulatedToken, simulated_token
from tests.compute.test_worker import WorkerHarness, run_again

JOB = Job(1, TOKEN, "correlation")


@pytest.fixture
def simulated() -> SimulatedToken:
    return simulated_token(4)


@pytest.fixture
async def chain(simulated: SimulatedToken) -> SimulatedChain:
    return SimulatedChain(simulated, gap=3, style="range-1000")


@pytest.fixture
async def harness(redis: Redis, chain: SimulatedChain, providers: Providers) -> WorkerHarness:
    evm: Any = EvmChain(await providers.of(chain))
    return await WorkerHarness(redis, evm, max_transfers=100_000).open()


def queried_ranges(chain: SimulatedChain, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Record the ranges of blocks that are queried from now on."""
    ranges: list[tuple[int, int]] = []
    get_logs = chain._get_logs

    def seen(query: dict[str, Any]) -> Any:
        ranges.append((int(query["fromBlock"], 16), int(query["toBlock"], 16)))
        return get_logs(query)

    monkeypatch.setattr(chain, "_get_logs", seen)
    return ranges


async def test_only_the_hundred_new_blocks_are_read(
    harness: WorkerHarness,
    chain: SimulatedChain,
    simulated: SimulatedToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    before = chain.head
    simulated.transfer(simulated.deployer, simulated.new_wallet(), 7 * UNIT)
    chain.include_new()
    chain.mine(100 - (chain.head - before))
    ranges = queried_ranges(chain, monkeypatch)
    await run_again(harness)
    assert ranges == [(before + 1, before + 100)]
    assert len(harness.runner.seen[-1]) == len(simulated.rows)


async def test_an_abandoned_branch_is_read_again_from_the_last_valid_block(
    harness: WorkerHarness,
    chain: SimulatedChain,
    simulated: SimulatedToken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    before = chain.head
    chain.mine(50)
    await run_again(harness)
    chain.reorganise(20)
    ranges = queried_ranges(chain, monkeypatch)
    await run_again(harness, hours=2)
    assert ranges == [(before + 1, before + 50)]
    checkpoints = checkpoints_of(await harness.state())
    assert checkpoints[-1].block_hash == chain.hash_of(chain.head)
    assert len(harness.runner.seen[-1]) == len(simulated.rows)
