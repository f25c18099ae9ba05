"""Ask contracts what they are: pools, lockers and smart accounts have their own view functions."""

from collections.abc import Sequence
from typing import Final

from eth_hash.auto import keccak

from compute.chain.accounts import Accounts
from compute.chain_facts import Address, Probe

SIGNATURES: Final = (
    "token0()", "token1()", "factory()", "getReserves()", "fee()", "slot0()",  # pools
    "coins(uint256)", "getPoolId()", "WETH()",
    "getThreshold()", "getOwners()", "VERSION()", "entryPoint()",  # smart accounts
    "owner()", "name()", "symbol()", "token()", "beneficiary()", "releaseTime()",
)  # fmt: skip
"""Functions that change nothing; a missing argument is 0."""
ARGUMENT_BYTES: Final = 32


def call_data(signature: str) -> bytes:
    """Return the data that calls a function, with 0 as its only argument if it has one."""
    selector = keccak(signature.encode())[:4]
    return selector if signature.endswith("()") else selector + bytes(ARGUMENT_BYTES)


async def probe(
    accounts: Accounts, contracts: Sequence[Address], block: int
) -> dict[Address, Probe]:
    """Return what each contract returned to each of `SIGNATURES`."""
    targets = [(each, call_data(signature)) for each in contracts for signature in SIGNATURES]
    results = await accounts.call(targets, block)
    found: dict[Address, dict[str, bytes]] = {each: {} for each in contracts}
    names = ((each, signature) for each in contracts for signature in SIGNATURES)
    for (contract, signature), result in zip(names, results, strict=True):
        if result:
            found[contract][signature] = result
    return {contract: Probe(answers) for contract, answers in found.items()}
