"""One chain as an analysis asks it: the token, who paid first, what is final, and what is not."""

from typing import Any

import pytest

from compute.analysis import Labels, Parameters, analyse, questions
from compute.chain import Chains, Endpoint, EvmChain, Unreachable
from compute.chain.asking import NO_ARCHIVE, first_funders
from compute.chain.token import is_contract, text
from compute.facts import Questions
from compute.ports import Fruitless
from compute.settings import Settings
from compute.transfers import Transfers
from deploy.local.chain import LocalChain, Refused
from tests.compute.chain.conftest import Providers
from tests.compute.worlds import SUPPLY, TOKEN, World, planted


@pytest.fixture(scope="module")
def world() -> World:
    return planted(2)


async def test_a_token_tells_its_name_and_its_beginning(world: World, providers: Providers) -> None:
    chain = LocalChain(world, gap=9)
    evm = EvmChain(await providers.of(chain))
    pinned = await evm.pinned()
    assert (pinned.number, pinned.finalized) == (chain.head, True)
    assert pinned.hash == await evm.block_hash(chain.head)
    token = await evm.token(TOKEN, pinned)
    assert (token.name, token.symbol, token.decimals) == ("Demo Token", "DEMO", 18)
    assert (token.total_supply, token.created_block) == (SUPPLY, 10)
    assert chain.asked["eth_getCode"] <= chain.head.bit_length() + 2
    assert await evm.block_hash(chain.head + 1) is None


async def test_there_is_no_contract(world: World, providers: Providers) -> None:
    evm = EvmChain(await providers.of(LocalChain(world)))
    pinned = await evm.pinned()
    with pytest.raises(Fruitless, match="there is no contract") as told:
        await evm.token("0x" + "12" * 20, pinned)
    assert told.value.code == "no_contract"


async def test_a_contract_may_be_no_token(world: World, providers: Providers) -> None:
    evm = EvmChain(await providers.of(LocalChain(world)))
    pool = min(world.contracts)
    with pytest.raises(Fruitless, match=r"no ERC-20: totalSupply\(\)") as told:
        await evm.token(pool, await evm.pinned())
    assert told.value.code == "not_erc20"


async def test_first_funders_are_found_by_bisection(world: World, providers: Providers) -> None:
    chain = LocalChain(world, gap=3)
    rpc = await providers.of(chain)
    names = sorted(world.funders)[:150]
    found = await first_funders(rpc, names, chain.head)
    for name in names:
        funding, truth = found[name], world.funders[name]
        assert (funding and funding.funder) == (truth and truth.funder)
        assert (funding and funding.tx_hash) == (truth and truth.tx_hash)
    steps = chain.head.bit_length() + 2
    assert chain.asked["eth_getBalance"] <= steps * len(names)


async def test_who_was_never_paid_has_no_funder(world: World, providers: Providers) -> None:
    chain = LocalChain(world)
    rpc = await providers.of(chain)
    nobody = "0x" + "77" * 20
    assert await first_funders(rpc, [nobody], chain.head) == {nobody: None}


async def test_facts_are_those_of_the_pinned_block(world: World, providers: Providers) -> None:
    evm = EvmChain(await providers.of(LocalChain(world)))
    pinned = await evm.pinned()
    token = await evm.token(TOKEN, pinned)
    held = world.balances()
    names = tuple(sorted(name for name, amount in held.items() if amount > 0))
    facts = await evm.answer(token, pinned, Questions(names, names[:20], names))
    assert facts.contracts == world.contracts & set(names)
    assert facts.balances == {name: held[name] for name in names}
    assert set(facts.funders) == set(names[:20]) - facts.contracts
    assert facts.archive


async def test_without_old_states_the_rest_is_as_good(world: World, providers: Providers) -> None:
    chain = LocalChain(world, archive=False, gap=9)
    evm = EvmChain(await providers.of(chain), start_block=5)
    pinned = await evm.pinned()
    token = await evm.token(TOKEN, pinned)
    assert (token.created_block, token.deployer) == (5, None)
    facts = await evm.answer(token, pinned, Questions(funders=(world.deployer,)))
    assert not facts.archive
    assert set(facts.warnings) == {"creation_block_unknown", NO_ARCHIVE}


@pytest.mark.parametrize(("finality", "behind"), [(0, 0), (7, 7)])
async def test_a_chain_may_have_a_finality_of_its_own(
    finality: int, behind: int, world: World, providers: Providers
) -> None:
    chain = LocalChain(world)
    pinned = await EvmChain(await providers.of(chain), finality=finality).pinned()
    assert (pinned.number, pinned.finalized) == (chain.head - behind, False)


async def test_a_node_without_the_tag_is_held_back(
    world: World, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = LocalChain(world)
    answer = chain.answer

    def without(method: str, params: list[Any]) -> Any:
        if params[:1] == ["finalized"]:
            raise Refused(-32602, "unknown block tag")
        return answer(method, params)

    monkeypatch.setattr(chain, "answer", without)
    pinned = await EvmChain(await providers.of(chain), behind=64).pinned()
    assert (pinned.number, pinned.finalized) == (chain.head - 64, False)


async def test_a_reorganised_chain_has_other_hashes(world: World, providers: Providers) -> None:
    chain = LocalChain(world)
    evm = EvmChain(await providers.of(chain))
    before = [await evm.block_hash(n) for n in (chain.head - 5, chain.head)]
    chain.reorganise(3)
    after = [await evm.block_hash(n) for n in (chain.head - 5, chain.head)]
    assert after[0] == before[0]
    assert after[1] != before[1]


async def test_an_unreachable_chain_says_that_what_was_read_is_kept(providers: Providers) -> None:
    evm = EvmChain(providers.rpc(Endpoint("http://127.0.0.1:1/", "first", 1e9)))
    with pytest.raises(Fruitless, match="ask again later") as told:
        await evm.pinned()
    assert told.value.code == "provider_unavailable"
    assert isinstance(told.value.__cause__, Unreachable)


@pytest.mark.parametrize(
    ("code", "contract"),
    [
        ("0x", False),
        ("0x6001", True),
        ("0xef0100" + "ab" * 20, False),  # EIP-7702: a person's account
        ("0xef0100" + "ab" * 21, True),
        (None, False),
    ],
)
def test_a_delegated_account_is_a_person(code: Any, contract: bool) -> None:  # noqa: FBT001  a row of the table
    assert is_contract(code) is contract


def abi(raw: bytes) -> str:
    return f"0x{32:064x}{len(raw):064x}{raw.hex()}".ljust(2 + 64 * 4, "0")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (abi(b"Tether USD"), "Tether USD"),
        ("0x" + b"MKR".hex().ljust(64, "0"), "MKR"),
        (abi("a\u202egnp.exe\u200b\n b".encode()), "agnp.exe b"),
        (abi(b"\xff\xfe"), None),
        (abi(b"x" * 90)[: 2 + 64 * 2] + (b"x" * 90).hex(), "x" * 64),
        ("0x" + "f" * 200, None),
        ("0x", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_a_name_is_a_strangers_text(said: Any, shown: str | None) -> None:
    assert text(said) == shown


def test_chains_are_configured_by_name_or_id() -> None:
    chains = Chains.model_validate(
        {
            "by_name": {
                "base": {"urls": ["https://example.com/key"], "perSecond": 5},
                "local": {"urls": ["http://127.0.0.1:8545"], "chainId": 31337},
            }
        }
    )
    assert (chains.chain_id("base"), chains.chain_id("local")) == (8453, 31337)
    assert "key" not in repr(chains)
    base, local = chains.by_name["base"], chains.by_name["local"]
    assert (base.pace, base.depth) == (5, None)
    assert (local.pace, local.depth) == (10_000, 0)


@pytest.mark.parametrize(("pace", "funders"), [(None, 450), (1, 18), (1_000, 1_000)])
def test_so_many_funders_are_looked_for_as_can_be_paid_for(pace: int | None, funders: int) -> None:
    chain = {"urls": ["https://example.com"], "perSecond": pace}
    settings = Settings.model_validate({"chains": {"base": chain}})
    assert settings.funders_on("base") == funders
    assert settings.model_copy(update={"funders_of": 7}).funders_on("base") == 7


@pytest.mark.parametrize(
    ("name", "chain", "why"),
    [
        ("dogechain", {"urls": ["https://example.com"]}, "add its chainId"),
        ("base", {"urls": []}, "at least 1 item"),
        ("base", {"urls": ["ws://example.com"]}, "endpoint 1 is no http"),
        ("base", {"urls": ["https://example.com"], "pace": 3}, "Extra inputs"),
        ("base", {"urls": ["https://example.com"], "perSecond": 0}, "greater than 0"),
    ],
)
def test_a_bad_chain_is_named(name: str, chain: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Chains.model_validate({"by_name": {name: chain}})


async def test_logs_that_a_provider_leaves_out_are_noticed(
    world: World, providers: Providers
) -> None:
    """It answers with a part, and without a word: only the balances tell."""
    told = {}
    for most in (None, 100):
        chain = LocalChain(world, truncates=most)
        evm = EvmChain(await providers.of(chain))
        pinned = await evm.pinned()
        token = await evm.token(TOKEN, pinned)
        read = [each.transfers async for each in evm.sync(TOKEN, 0, pinned.number)]
        transfers, labels = Transfers.joined(read), Labels("none")
        facts = await evm.answer(
            token, pinned, questions(transfers, token, labels, Parameters(funders_of=0))
        )
        analysis = analyse(transfers, facts, labels, Parameters(), chain="local", computed_at=1)
        told[most] = analysis.report.quality
    assert told[None].balances_verified
    assert not told[100].balances_verified
    assert "balances_differ_from_transfers" in told[100].warnings
