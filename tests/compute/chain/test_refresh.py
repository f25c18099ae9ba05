"""A later run asks a provider for new blocks only; after a reorganisation, for what changed."""

from typing import Any

import pytest
from redis.asyncio import Redis

from compute.chain import EvmChain
from compute.domain import analyses
from compute.worker import Job
from deploy.local.chain import LocalChain
from tests.compute.chain.conftest import Providers
from tests.compute.test_worker import Workshop, again
from tests.compute.worlds import TOKEN, UNIT, World, planted

JOB = Job(1, TOKEN, "correlation")


@pytest.fixture
def world() -> World:
    return planted(4)


@pytest.fixture
async def chain(world: World) -> LocalChain:
    return LocalChain(world, gap=3, style="range-1000")


@pytest.fixture
async def workshop(redis: Redis, chain: LocalChain, providers: Providers) -> Workshop:
    evm: Any = EvmChain(await providers.of(chain))
    return await Workshop(redis, evm, most=100_000).open()


def asked_for(chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The ranges of blocks that are asked for from now on."""
    ranges: list[tuple[int, int]] = []
    get_logs = chain._get_logs

    def seen(query: dict[str, Any]) -> Any:
        ranges.append((int(query["fromBlock"], 16), int(query["toBlock"], 16)))
        return get_logs(query)

    monkeypatch.setattr(chain, "_get_logs", seen)
    return ranges


async def test_a_hundred_new_blocks_are_all_that_is_read(
    workshop: Workshop, chain: LocalChain, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    before = chain.head
    world.move(world.deployer, world.person(), 7 * UNIT)
    chain.take()
    chain.mine(100 - (chain.head - before))
    ranges = asked_for(chain, monkeypatch)
    await again(workshop)
    assert ranges == [(before + 1, before + 100)]
    assert len(workshop.analyst.seen[-1]) == len(world.rows)


async def test_a_branch_that_was_left_is_read_from_the_last_block_that_stands(
    workshop: Workshop, chain: LocalChain, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    before = chain.head
    chain.mine(50)
    await again(workshop)
    chain.reorganise(20)
    ranges = asked_for(chain, monkeypatch)
    await again(workshop, hours=2)
    assert ranges == [(before + 1, before + 50)]
    state = analyses(frozenset()).fold(await workshop.events())
    assert state.checkpoints[-1].block_hash == chain._hash(chain.head)
    assert len(workshop.analyst.seen[-1]) == len(world.rows)
