"""A token's properties and origin are read correctly, or not at all."""

from collections.abc import Callable
from typing import Any

import pytest

from compute.chain import EvmChain
from compute.chain.token import BALANCE_OF, DECIMALS, OWNER, TOTAL_SUPPLY
from compute.chain_facts import TokenInfo
from compute.ports import AnalysisFailure
from deploy.local.chain import RpcRejection, SimulatedChain
from tests.compute.chain.conftest import Providers
from tests.compute.simulated_token import SUPPLY, TOKEN, SimulatedToken, simulated_token

Answer = Callable[[str, list[Any]], Any]
FACTORY = "0x" + "fa" * 20
SIGNER = "0x" + "51" * 20
STRANGER = "0x" + "5a" * 20


@pytest.fixture(scope="module")
def simulated() -> SimulatedToken:
    return simulated_token(2)


def altered(chain: SimulatedChain, change: Callable[[str, list[Any], Answer], Any]) -> None:
    """Let `change` answer instead of the chain, which it may ask."""
    original = chain.answer
    chain.answer = lambda method, params: change(method, params, original)  # type: ignore[method-assign]


def returning(data: str, result: Any) -> Callable[[str, list[Any], Answer], Any]:
    """Answer calls of one function by a result or a rejection."""

    def change(method: str, params: list[Any], original: Answer) -> Any:
        if method != "eth_call" or not params[0]["data"].startswith(data):
            return original(method, params)
        if isinstance(result, Exception):
            raise result
        return result

    return change


async def token_on(providers: Providers, *chains: SimulatedChain) -> TokenInfo:
    evm = EvmChain(await providers.of(*chains))
    return await evm.token(TOKEN, await evm.pinned())


REVERTED = RpcRejection(3, "execution reverted")


@pytest.mark.parametrize("supply", ["0x" + "f" * 64, "0x" + "0" * 64, "0x", REVERTED])
async def test_a_token_that_misreports_its_supply_is_a_token(
    supply: Any, simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)
    altered(chain, returning(TOTAL_SUPPLY, supply))
    evm = EvmChain(await providers.of(chain))
    token = await evm.token(TOKEN, await evm.pinned())
    assert token.total_supply in (0, 2**256 - 1)
    assert evm._warnings[TOKEN] == ["supply_not_reported"]


async def test_a_contract_without_supply_and_decimals_is_no_token(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)
    altered(chain, returning(TOTAL_SUPPLY, REVERTED))
    altered(chain, returning(DECIMALS, REVERTED))  # as an ERC-721
    with pytest.raises(AnalysisFailure) as failure:
        await token_on(providers, chain)
    assert failure.value.code == "not_erc20"


@pytest.mark.parametrize(
    "refusal",
    [
        RpcRejection(-32007, "50/second request limit reached"),
        RpcRejection(-32603, "Internal error"),
        RpcRejection(-32000, "header not found"),
        RpcRejection(-32000, "execution timeout"),
        RpcRejection(-32000, "out of gas"),
        RpcRejection(-32601, "the method eth_call does not exist"),
    ],
)
@pytest.mark.parametrize("data", [TOTAL_SUPPLY, BALANCE_OF])
async def test_a_refusal_that_is_no_result_says_nothing_about_a_token(
    data: str, refusal: RpcRejection, simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)
    altered(chain, returning(data, refusal))
    with pytest.raises(AnalysisFailure) as failure:
        await token_on(providers, chain)
    assert failure.value.code == "provider_unavailable"
    healthy = SimulatedChain(simulated)
    assert (await token_on(providers, chain, healthy)).total_supply == SUPPLY
    assert (await token_on(providers, healthy, chain)).total_supply == SUPPLY


@pytest.mark.parametrize("result", ["0x", REVERTED, None, "0x01", 7])
async def test_one_endpoint_alone_does_not_make_a_token_none(
    result: Any, simulated: SimulatedToken, providers: Providers
) -> None:
    broken = SimulatedChain(simulated)
    altered(broken, returning("0x", result))
    assert (await token_on(providers, broken, SimulatedChain(simulated))).total_supply == SUPPLY


@pytest.mark.parametrize("code", ["0x", None, "0x0", ""])
async def test_one_endpoint_alone_does_not_make_a_contract_none(
    code: Any, simulated: SimulatedToken, providers: Providers
) -> None:
    def no_code(method: str, params: list[Any], original: Answer) -> Any:
        return code if method == "eth_getCode" else original(method, params)

    broken = SimulatedChain(simulated)
    altered(broken, no_code)
    token = await token_on(providers, broken, SimulatedChain(simulated))
    assert token.created_block == 1
    with pytest.raises(AnalysisFailure) as failure:
        await token_on(providers, broken)
    assert failure.value.code == "provider_unavailable"  # it calls a contract that it denies


async def test_a_token_whose_balance_of_the_zero_address_reverts_is_a_token(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)
    altered(chain, returning(BALANCE_OF + "0" * 64, REVERTED))
    assert (await token_on(providers, chain)).total_supply == SUPPLY


async def test_the_owner_is_read(simulated: SimulatedToken, providers: Providers) -> None:
    chain = SimulatedChain(simulated)
    altered(chain, returning(OWNER, f"0x{STRANGER[2:]:0>64}"))
    assert (await token_on(providers, chain)).owner == STRANGER
    renounced = SimulatedChain(simulated)
    altered(renounced, returning(OWNER, "0x" + "0" * 64))
    assert (await token_on(providers, renounced)).owner is None


async def test_the_deployer_is_who_signed_the_creation(
    simulated: SimulatedToken, providers: Providers
) -> None:
    token = await token_on(providers, SimulatedChain(simulated))
    assert token.deployer == simulated.deployer
    assert token.created_tx == simulated.rows[0].tx_hash


def made_by_a_factory(method: str, params: list[Any], original: Answer) -> Any:
    """Let a contract create the token: no transaction of the block creates it directly."""
    result = original(method, params)
    if method == "eth_getBlockByNumber" and params[1:] == [True] and result:
        result["transactions"] = [
            each | {"to": FACTORY, "from": SIGNER, "nonce": "0x9"} if each["to"] is None else each
            for each in result["transactions"]
        ]
    if method == "eth_getTransactionReceipt" and result:
        result["contractAddress"] = None
    return result


async def test_the_deployer_is_who_called_the_factory(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated, gap=9)
    altered(chain, made_by_a_factory)
    original = chain._get_logs
    chain._get_logs = lambda query: original({"address": TOKEN} | query)  # type: ignore[method-assign]
    token = await token_on(providers, chain)
    assert (token.created_block, token.deployer) == (10, SIGNER)
    assert token.created_tx == simulated.rows[0].tx_hash


def pruned(since: int, *, busy: bool = True) -> Callable[[str, list[Any], Answer], Any]:
    """Return nothing, without an error, for the state of blocks before `since`.

    `busy`: every block has a transaction of an account that has sent some before.
    """

    def change(method: str, params: list[Any], original: Answer) -> Any:
        if method == "eth_getBlockByNumber" and params[1:] == [True] and busy:
            block = original(method, params)
            return block and block | {
                "transactions": [
                    *block["transactions"],
                    {"hash": block["hash"], "from": STRANGER, "to": STRANGER, "value": "0x0",
                     "nonce": "0x5"},
                ]
            }  # fmt: skip
        if method in ("eth_getCode", "eth_getTransactionCount") and int(params[1], 16) < since:
            return "0x" if method == "eth_getCode" else "0x0"
        if method == "eth_getTransactionCount":
            return "0x6"
        return original(method, params)

    return change


async def test_a_pruned_node_that_denies_old_code_does_not_move_the_creation(
    simulated: SimulatedToken, providers: Providers
) -> None:
    denies, archive = SimulatedChain(simulated, gap=9), SimulatedChain(simulated, gap=9)
    altered(denies, pruned(denies.head - 128))
    altered(archive, pruned(0))
    for chains in ((denies, archive), (archive, denies)):
        token = await token_on(providers, *chains)
        assert (token.created_block, token.deployer) == (10, simulated.deployer)


async def test_without_any_old_state_all_blocks_are_read(
    simulated: SimulatedToken, providers: Providers
) -> None:
    denies = SimulatedChain(simulated, gap=9)
    altered(denies, pruned(denies.head - 128))
    evm = EvmChain(await providers.of(denies), start_block=4)
    token = await evm.token(TOKEN, await evm.pinned())
    assert (token.created_block, token.deployer) == (4, None)
    assert evm._warnings[TOKEN] == ["creation_block_unknown"]


async def test_a_chain_whose_finalized_block_is_the_first_is_read_behind_its_head(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)

    def never_final(method: str, params: list[Any], original: Answer) -> Any:
        return original(method, ["0x0", *params[1:]] if params[:1] == ["finalized"] else params)

    altered(chain, never_final)
    pinned = await EvmChain(await providers.of(chain), finality_blocks=64).pinned()
    assert (pinned.number, pinned.finalized) == (chain.head - 64, False)
    young = await EvmChain(await providers.of(chain), finality_blocks=10**9).pinned()
    assert young.number == chain.head


@pytest.mark.parametrize("finalized", [None, {}, [], "0x5", {"number": None}])
async def test_a_finalized_block_that_is_none_is_not_used(
    finalized: Any, simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated)

    def broken(method: str, params: list[Any], original: Answer) -> Any:
        return finalized if params[:1] == ["finalized"] else original(method, params)

    altered(chain, broken)
    evm = EvmChain(await providers.of(chain, SimulatedChain(simulated)))
    assert (await evm.pinned()).finalized
    if finalized is None:
        alone = EvmChain(await providers.of(chain), finality_blocks=64)
        assert (await alone.pinned()).number == chain.head - 64
