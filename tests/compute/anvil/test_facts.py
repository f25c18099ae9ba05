"""Facts are read from a real EVM: the programs of `eth_call`, first funders, receipts, sweeps."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from compute.chain import Endpoint, EvmChain, RpcClient
from compute.chain.accounts import Accounts
from compute.chain.assembler import assemble
from compute.chain.calls import Calls
from compute.chain.multicall import Multicall, MulticallLimits
from compute.chain.receipts import ENTRY_POINTS, SAFE_EXECUTIONS, USER_OPERATION
from compute.chain.usage import Usage
from compute.chain_facts import ChainFacts, Code, Funding, RequiredFacts, Sweep, Transaction
from deploy.local.chain import SUPPLY
from tests.compute.anvil.chain import Anvil, program
from tests.compute.anvil.contracts import TOKEN
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(program() is None, reason="anvil is missing: `make anvil` needs npm"),
]

CHAIN_ID = 31_337
COIN = 10**18
RICH = "0x" + "aa" * 20
DISPERSE, LOGGER, SPIN, BOMB, CREATOR = (
    "0x" + each * 20 for each in ("d1", "d2", "d3", "d4", "d5")
)
DELEGATED, PROXY = "0x" + "e1" * 20, "0x" + "e2" * 20
ENTRY_POINT = min(ENTRY_POINTS)

PAY_EACH = """
    32 CALLDATASIZE DIV CALLVALUE DIV      ; what each gets
    4                                      ; where the next address is
loop:                                      ; stack: each at
    CALLDATASIZE DUP2 LT ISZERO @end JUMPI
    0 0 0 0 DUP6 DUP6 CALLDATALOAD GAS CALL POP
    32 ADD @loop JUMP
end:
    STOP
"""
LOG = "64 CALLDATALOAD 32 CALLDATALOAD 0 CALLDATALOAD 0 0 LOG3"
CODE = {
    DISPERSE: assemble(PAY_EACH),
    LOGGER: assemble(LOG),
    ENTRY_POINT: assemble(LOG),
    SPIN: assemble("again: @again JUMP"),
    BOMB: assemble("100000 0 RETURN"),
    DELEGATED: bytes.fromhex("ef0100") + bytes(20),
    PROXY: bytes.fromhex("363d3d373d3d3d363d73" + "d1" * 20 + "5af43d82803e903d91602b57fd5bf3"),
}


@dataclass
class Chain:
    """A running chain and its client."""

    anvil: Anvil
    rpc: RpcClient
    evm: EvmChain
    token: str = ""

    async def facts(self, **required: Any) -> ChainFacts:
        pinned = await self.evm.pinned()
        token = await self.evm.token(self.token, pinned)
        return await self.evm.fetch_facts(token, pinned, RequiredFacts(**required))

    async def mine(self, blocks: int = 1) -> int:
        """Mine blocks and return the number of the last one."""
        await self.anvil.call("anvil_mine", hex(blocks))
        return int(await self.anvil.call("eth_blockNumber"), 16)

    async def pay(self, sender: str, recipient: str, value: int) -> tuple[str, int]:
        """Send coins in a block of their own; return the transaction and the block."""
        name = await self.anvil.send(**{"from": sender, "to": recipient, "value": hex(value)})
        return name, await self.mine()

    async def execute(self, sender: str, contract: str, words: list[str], value: int = 0) -> str:
        """Call a contract with a selector if it takes coins, and 32-byte words."""
        data = ("0x12345678" if value else "0x") + "".join(
            each[2:].rjust(64, "0") for each in words
        )
        fields = {"from": sender, "to": contract, "data": data, "value": hex(value)}
        name = await self.anvil.send(**fields, gas=hex(3_000_000))
        await self.mine()
        return name

    async def timestamp(self, block: int) -> int:
        found = await self.rpc.block(block)
        assert found is not None
        return int(found["timestamp"], 16)


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    async with aiohttp.ClientSession() as session:
        anvil = Anvil(CHAIN_ID, session)
        anvil.start()
        try:
            await eventually(anvil.answers)
            rpc = RpcClient(session, [Endpoint(anvil.url, "anvil", 1e9)], CHAIN_ID)
            chain = Chain(anvil, rpc, EvmChain(rpc, finality=0))
            await prepare(chain)
            yield chain
        finally:
            anvil.stop()


async def prepare(chain: Chain) -> None:
    """Deploy the token and put the other contracts where the tests expect them."""
    anvil = chain.anvil
    await anvil.call("anvil_setBalance", RICH, hex(1_000 * COIN))
    chain.token = await anvil.create(RICH, TOKEN.creation(SUPPLY))
    for address, program_of in CODE.items():
        await anvil.call("anvil_setCode", address, "0x" + program_of.hex())
    await chain.mine(20)


def address(number: int) -> str:
    return f"0x{number:040x}"


async def test_codes_balances_and_functions_are_read_by_programs(chain: Chain) -> None:
    unused = address(0x7777)
    names = (chain.token, *CODE, RICH, unused)
    facts = await chain.facts(
        codes=names, balances=(RICH, unused), probes=(chain.token, BOMB, RICH)
    )
    for name, program_of in CODE.items():
        assert facts.codes[name].size == len(program_of)
        assert facts.codes[name].start == program_of[:192]
    token = bytes.fromhex((await chain.anvil.call("eth_getCode", chain.token, "latest"))[2:])
    assert facts.codes[chain.token].start == token[:192]
    assert facts.codes[chain.token].size == len(token)
    plain = MulticallLimits(supported=False)
    same = await accounts(chain, plain).codes(names, await chain.mine())
    assert facts.codes == same
    assert facts.codes[unused].size == facts.codes[RICH].size == 0
    assert facts.balances == {RICH: SUPPLY, unused: 0}
    results = facts.probes[chain.token].results
    assert b"Test Token" in results["name()"]
    assert "token0()" not in results
    assert facts.probes[RICH].results == {}
    assert len(facts.probes[BOMB].results["owner()"]) == 256
    assert facts.calls == 4  # whether programs run, codes, balances, functions


def accounts(chain: Chain, limits: MulticallLimits | None = None) -> Accounts:
    calls = Calls(chain.rpc, 10**6)
    return Accounts(calls, Multicall(calls, limits or MulticallLimits()))


async def test_a_function_that_uses_all_gas_fails_alone(chain: Chain) -> None:
    block = await chain.mine()
    name = bytes.fromhex("06fdde03")
    targets = [(SPIN, name), (chain.token, name)] * 200
    results = await accounts(chain).call(targets, block)
    assert results[::2] == [None] * 200
    assert all(result is not None and b"Test Token" in result for result in results[1::2])


async def test_thousands_of_accounts_take_a_few_calls(chain: Chain) -> None:
    names = [address(0x1_0000 + number) for number in range(3_000)]
    reader = accounts(chain)
    codes = await reader.codes([*names, *[chain.token] * 300], await chain.mine())
    assert codes[chain.token].size > 0
    assert sum(code == Code(0, codes[names[0]].hash, b"") for code in codes.values()) == 3_000
    balances = await reader.balances(chain.token, names, await chain.mine())
    assert balances == dict.fromkeys(names, 0)
    assert reader.calls.made <= 16


async def test_programs_run_at_old_blocks(chain: Chain) -> None:
    """An account without code or coins that has sent a transaction counts as used."""
    rich, empty = address(0x51), address(0x52)
    _, paid = await chain.pay(RICH, rich, 7)
    await chain.pay(RICH, empty, 9)
    _, emptied = await chain.pay(empty, rich, 9)
    last = await chain.mine(30)
    reader = accounts(chain)
    usage = Usage(reader, reader.multicall, supported=True)
    blocks = (0, paid - 1, paid, emptied - 1, emptied, last)
    used = await usage.at([(block, [rich, empty]) for block in blocks])
    assert [each for each, _ in used] == [False, False, True, True, True, True]
    assert [each for _, each in used] == [False, False, False, True, True, True]
    assert used == await usage.exactly([(block, [rich, empty]) for block in blocks])
    assert await reader.coins([rich, empty], emptied - 1) == {rich: 7, empty: 9}
    assert reader.multicall.limits.old_until == -1


async def test_first_funders_pay_themselves_or_through_a_contract(chain: Chain) -> None:
    first, second, emptied, never = (address(0x61 + number) for number in range(4))
    team = [address(0x71 + number) for number in range(30)]
    funder, payer = address(0x91), address(0x92)
    await chain.pay(RICH, funder, COIN)
    await chain.pay(RICH, payer, COIN)
    direct, block = await chain.pay(funder, first, 5)
    await chain.mine(40)
    through = await chain.execute(payer, DISPERSE, team, value=3_000)
    paid = await chain.mine(0)
    late, later = await chain.pay(funder, emptied, 5)
    await chain.pay(emptied, second, 5)
    await chain.mine(50)
    await chain.pay(RICH, emptied, COIN)  # not its first coins
    await chain.mine(10)
    names = (first, second, emptied, never, funder, *team)
    facts = await chain.facts(funders=names)
    assert facts.funders[first] == Funding(
        funder, direct, block, await chain.timestamp(block), value=5, nonce=0
    )
    assert facts.funders[emptied] == Funding(
        funder, late, later, await chain.timestamp(later), value=5, nonce=1
    )
    assert facts.funders[never] is None
    for name, owner in ((second, emptied), (funder, RICH)):
        funding = facts.funders[name]
        assert funding is not None
        assert funding.funder == owner
    assert facts.funders[team[0]] == Funding(
        payer, through, paid, await chain.timestamp(paid), via=DISPERSE, nonce=0
    )
    assert {facts.funders[name] for name in team} == {facts.funders[team[0]]}
    assert facts.skipped == {}


async def test_a_payment_in_a_constructor_counts_as_its_creators(chain: Chain) -> None:
    payer, member = address(0x93), address(0x94)
    await chain.pay(RICH, payer, COIN)
    pay = assemble(f"0 0 0 0 CALLVALUE {int(member, 16):#042x} GAS CALL POP STOP")
    creation = {
        "from": payer,
        "data": "0x" + pay.hex() + member[2:],
        "value": "0x64",
        "gas": hex(500_000),
    }
    name = await chain.anvil.send(**creation)
    await chain.mine(9)
    created = (await chain.anvil.receipt(name))["contractAddress"].lower()
    funding = (await chain.facts(funders=(member,))).funders[member]
    assert funding is not None
    assert (funding.funder, funding.tx_hash, funding.via) == (payer, name, created)


async def test_receipts_tell_who_acted(chain: Chain) -> None:
    bundler, account, victim = address(0x95), "0x" + "b5" * 20, "0x" + "b6" * 20
    await chain.pay(RICH, bundler, COIN)
    operation = await chain.execute(bundler, ENTRY_POINT, [USER_OPERATION, "0x01", account])
    false = await chain.execute(bundler, LOGGER, [USER_OPERATION, "0x01", victim])
    safe = await chain.execute(bundler, LOGGER, [min(SAFE_EXECUTIONS), "0x01", "0x02"])
    creation = await chain.anvil.send(**{"from": bundler, "data": "0x00", "gas": hex(500_000)})
    await chain.mine()
    block = int((await chain.anvil.receipt(operation))["blockNumber"], 16)
    unknown = "0x" + "11" * 32
    for block_of in ({}, {operation: block, false: block + 1, safe: block + 2}):
        facts = await chain.facts(
            transactions=(operation, false, safe, creation, unknown), block_of=block_of
        )
        assert facts.transactions == {
            operation: Transaction(bundler, ENTRY_POINT, frozenset({account})),
            false: Transaction(bundler, LOGGER, frozenset()),
            safe: Transaction(bundler, LOGGER, frozenset({LOGGER})),
            creation: Transaction(bundler, None, frozenset()),
            unknown: None,
        }


async def test_nonces_and_last_payments(chain: Chain) -> None:
    holder, home, trader, cold = (address(0xA1 + number) for number in range(4))
    for name in (holder, trader, cold):
        await chain.pay(RICH, name, COIN)
    await chain.pay(holder, RICH, 3)
    await chain.mine(20)
    sweep, block = await chain.pay(holder, home, COIN - 10)
    await chain.pay(trader, RICH, 5)
    await chain.execute(trader, chain.token, [])
    await chain.mine(30)
    facts = await chain.facts(sweeps=(holder, trader, cold), nonces=(holder, trader, cold))
    assert facts.nonces == {holder: 2, trader: 2, cold: 0}
    assert facts.sweeps == {
        holder: Sweep(home, sweep, block, COIN - 10, 7),
        trader: None,  # its last transaction is no payment
        cold: None,
    }
