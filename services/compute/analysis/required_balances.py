"""Decide whose `balanceOf` an analysis needs."""

from typing import Final

import numpy as np

from compute.analysis.labels import ZERO
from compute.analysis.ledger import Ledger
from compute.analysis.parameters import Parameters
from compute.chain_facts import Address, ChainFacts

OWNER: Final = "owner()"
"""The function by which a contract names the address that controls it."""
_ADDRESS_CHARACTERS: Final = 40
_WORD_BYTES: Final = 32


def required_balances(
    ledger: Ledger, facts: ChainFacts, parameters: Parameters
) -> tuple[Address, ...]:
    """Return the addresses that hold something, or may hold it without a log.

    The deployer and the owner may have been given the first supply without a log; who sent more
    than they received was. The zero address holds what was burned, with some tokens.
    """
    address, balances = ledger.transfers.address, ledger.balances
    overdrawn = np.flatnonzero(balances.negative).tolist()[: parameters.verify]
    largest = balances.largest(parameters.verify)
    return tuple(dict.fromkeys((ZERO, *issuers(facts), *map(address, (*overdrawn, *largest)))))


def issuers(facts: ChainFacts) -> tuple[Address, ...]:
    """Return the token itself, its deployer and its owner, as far as they are known."""
    probe = facts.probes.get(facts.token.address)
    word = b"" if probe is None else probe.results.get(OWNER, b"")
    owner = (
        f"0x{word.hex()[-_ADDRESS_CHARACTERS:]}" if len(word) == _WORD_BYTES and any(word) else None
    )
    candidates = (facts.token.address, facts.token.deployer, facts.token.owner, owner)
    return tuple(address for address in candidates if address is not None)
