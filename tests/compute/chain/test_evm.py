"""Queries of one chain: the token, first funders, finality and reorganisations."""

from typing import Any

import pytest

from compute.analysis import Labels, Parameters, analyse, required_facts
from compute.chain import Chains, Endpoint, EvmChain, Unreachable
from compute.chain.fetch_facts import NO_ARCHIVE
from compute.chain.origin import is_contract
from compute.chain.token import text
from compute.chain_facts import RequiredFacts
from compute.ports import AnalysisFailure
from compute.settings import Settings
from compute.transfers import Transfers
from deploy.local.chain import RpcRejection, SimulatedChain
from tests.compute.chain.conftest import Providers
from tests.compute.simulated_token import SUPPLY, TOKEN, SimulatedToken, simulated_token


@pytest.fixture(scope="module")
def simulated() -> SimulatedToken:
    return simulated_token(2)


async def test_a_token_has_a_name_and_a_creation_block(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated, gap=9)
    evm = EvmChain(await providers.of(chain))
    pinned = await evm.pinned()
    assert (pinned.number, pinned.finalized) == (chain.head, True)
    assert pinned.hash == await evm.block_hash(chain.head)
    token = await evm.token(TOKEN, pinned)
    assert (token.name, token.symbol, token.decimals) == ("Demo Token", "DEMO", 18)
    assert (token.total_supply, token.created_block) == (SUPPLY, 10)
    assert chain.calls["eth_getCode"] <= chain.head.bit_length() + 2
    assert await evm.block_hash(chain.head + 1) is None


async def test_an_address_without_code_fails_as_no_contract(
    simulated: SimulatedToken, providers: Providers
) -> None:
    evm = EvmChain(await providers.of(SimulatedChain(simulated)))
    pinned = await evm.pinned()
    with pytest.raises(AnalysisFailure, match="There is no contract") as failure:
        await evm.token("0x" + "12" * 20, pinned)
    assert failure.value.code == "no_contract"


async def test_a_contract_that_is_no_token_fails_as_not_erc20(
    simulated: SimulatedToken, providers: Providers
) -> None:
    evm = EvmChain(await providers.of(SimulatedChain(simulated)))
    pool = min(simulated.contracts)
    with pytest.raises(AnalysisFailure, match=r"not an ERC-20 token: totalSupply\(\)") as failure:
        await evm.token(pool, await evm.pinned())
    assert failure.value.code == "not_erc20"


async def test_facts_are_fetched_at_the_pinned_block(
    simulated: SimulatedToken, providers: Providers
) -> None:
    evm = EvmChain(await providers.of(SimulatedChain(simulated)))
    pinned = await evm.pinned()
    token = await evm.token(TOKEN, pinned)
    held = simulated.balances()
    names = tuple(sorted(name for name, amount in held.items() if amount > 0))
    required = RequiredFacts(codes=names, funders=names[:20], balances=names)
    facts = await evm.fetch_facts(token, pinned, required)
    with_code = {name for name, code in facts.codes.items() if code.size}
    assert with_code == simulated.contracts & set(names)
    assert facts.balances == {name: held[name] for name in names}
    assert set(facts.funders) == set(names[:20])
    assert facts.archive


async def test_without_an_archive_node_only_origin_and_funders_are_missing(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated, archive=False, gap=9)
    evm = EvmChain(await providers.of(chain), start_block=5)
    pinned = await evm.pinned()
    token = await evm.token(TOKEN, pinned)
    assert (token.created_block, token.deployer) == (5, None)
    facts = await evm.fetch_facts(token, pinned, RequiredFacts(funders=(simulated.deployer,)))
    assert not facts.archive
    assert set(facts.warnings) == {"creation_block_unknown", NO_ARCHIVE}


@pytest.mark.parametrize(("finality", "behind"), [(0, 0), (7, 7)])
async def test_finality_can_be_configured(
    finality: int, behind: int, simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)
    pinned = await EvmChain(await providers.of(chain), finality=finality).pinned()
    assert (pinned.number, pinned.finalized) == (chain.head - behind, False)


async def test_a_node_without_the_finalized_tag_is_read_some_blocks_behind_its_head(
    simulated: SimulatedToken, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = SimulatedChain(simulated)
    original = chain.answer

    def without(method: str, params: list[Any]) -> Any:
        if params[:1] == ["finalized"]:
            raise RpcRejection(-32602, "unknown block tag")
        return original(method, params)

    monkeypatch.setattr(chain, "answer", without)
    pinned = await EvmChain(await providers.of(chain), finality_blocks=64).pinned()
    assert (pinned.number, pinned.finalized) == (chain.head - 64, False)


async def test_a_reorganised_chain_has_other_hashes(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)
    evm = EvmChain(await providers.of(chain))
    before = [await evm.block_hash(n) for n in (chain.head - 5, chain.head)]
    chain.reorganise(3)
    after = [await evm.block_hash(n) for n in (chain.head - 5, chain.head)]
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_block_after_other_transfers_has_another_hash(simulated: SimulatedToken) -> None:
    """What is stored of a chain is found by the hash of its blocks."""
    chain, other = SimulatedChain(simulated), simulated_token(simulated.seed)
    changed = other.rows[50]
    other.rows[50] = changed._replace(value=changed.value - 1)
    hashes = [each.hash_of for each in (chain, SimulatedChain(other))]
    same = [hashes[0](block) == hashes[1](block) for block in range(chain.head)]
    assert same == [block < changed.block for block in range(chain.head)]


async def test_an_unreachable_chain_fails_as_provider_unavailable(providers: Providers) -> None:
    evm = EvmChain(providers.rpc(Endpoint("http://127.0.0.1:1/", "first", 1e9)))
    with pytest.raises(AnalysisFailure, match="again later") as failure:
        await evm.pinned()
    assert failure.value.code == "provider_unavailable"
    assert isinstance(failure.value.__cause__, Unreachable)


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
def test_a_delegated_account_is_not_a_contract(code: Any, contract: bool) -> None:  # noqa: FBT001  a row of the table
    assert is_contract(code) is contract


def abi(raw: bytes) -> str:
    return f"0x{32:064x}{len(raw):064x}{raw.hex()}".ljust(2 + 64 * 4, "0")


@pytest.mark.parametrize(
    ("result", "shown"),
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
def test_a_token_name_is_treated_as_untrusted_text(result: Any, shown: str | None) -> None:
    assert text(result) == shown


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
    assert (base.rate, base.depth) == (5, None)
    assert (local.rate, local.depth) == (10_000, 0)


@pytest.mark.parametrize(("rate", "calls"), [(None, 15_000), (1, 600), (1_000, 600_000)])
def test_the_budget_of_calls_follows_from_the_rate(rate: int | None, calls: int) -> None:
    chain = {"urls": ["https://example.com"], "perSecond": rate}
    settings = Settings.model_validate({"chains": {"base": chain}})
    assert settings.parameters_on("base").least_calls == calls
    assert settings.parameters_on("base").calls_per_holder * 10_000 == calls
    few = settings.model_copy(update={"funders_of": 7})
    assert few.parameters_on("base").funders_of == 7


@pytest.mark.parametrize(
    ("name", "chain", "why"),
    [
        ("dogechain", {"urls": ["https://example.com"]}, "set its chainId"),
        ("base", {"urls": []}, "at least 1 item"),
        ("base", {"urls": ["ws://example.com"]}, "endpoint 1 is not an http"),
        ("base", {"urls": ["https://example.com"], "pace": 3}, "Extra inputs"),
        ("base", {"urls": ["https://example.com"], "perSecond": 0}, "greater than 0"),
    ],
)
def test_an_invalid_chain_setting_is_named(name: str, chain: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Chains.model_validate({"by_name": {name: chain}})


@pytest.mark.slow
async def test_logs_that_a_provider_leaves_out_are_detected(
    simulated: SimulatedToken, providers: Providers
) -> None:
    """The provider returns part of the logs without an error: only the balances show it."""
    quality = {}
    for most in (None, 100):
        chain = SimulatedChain(simulated, truncates=most)
        evm = EvmChain(await providers.of(chain))
        pinned = await evm.pinned()
        token = await evm.token(TOKEN, pinned)
        read = [each.transfers async for each in evm.sync(TOKEN, 0, pinned.number)]
        transfers, labels = Transfers.concatenate(read), Labels("none")
        facts = await evm.fetch_facts(token, pinned, RequiredFacts())
        while required := required_facts(transfers, facts, labels, Parameters(funders_of=0)):
            facts = facts.merged(await evm.fetch_facts(token, pinned, required))
        analysis = analyse(transfers, facts, labels, Parameters(), chain="local", computed_at=1)
        quality[most] = analysis.report.quality
    assert quality[None].balances_verified
    assert not quality[100].balances_verified
    assert "balances_differ_from_transfers" in quality[100].warnings
