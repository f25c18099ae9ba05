"""Provide simulated tokens as an analysis receives them, and measure what it finds."""

from compute.chain_facts import ChainFacts, PinnedBlock, TokenInfo
from compute.transfers import Transfers
from deploy.local.chain.simulation import (
    SUPPLY,
    TOKEN,
    UNIT,
    ZERO,
    TokenSimulation,
    hash_of,
    simulate,
)

__all__ = [
    "SUPPLY",
    "TOKEN",
    "UNIT",
    "ZERO",
    "SimulatedToken",
    "hash_of",
    "precision_and_recall",
    "simulated_token",
]


class SimulatedToken(TokenSimulation):
    """Return a simulation as the input of an analysis."""

    def transfers(self) -> Transfers:
        return Transfers.of_rows(self.rows)

    def facts(self) -> ChainFacts:
        last = self.block
        return ChainFacts(
            chain_id=1,
            pinned=PinnedBlock(last, hash_of(last), last * 12, finalized=True),
            token=TokenInfo(TOKEN, "Simulated", "SIM", 18, SUPPLY, self.deployer, 1),
            contracts=frozenset(self.contracts),
            funders=dict(self.funders),
            balances={name: max(0, held) for name, held in self.balances().items()},
        )


def simulated_token(seed: int, scale: int = 1) -> SimulatedToken:
    """Return a token with all patterns."""
    token = SimulatedToken(seed)
    simulate(token, scale)
    return token


def pairs(groups: list[set[str]]) -> set[tuple[str, str]]:
    return {(a, b) for group in groups for a in group for b in group if a < b}


def precision_and_recall(token: SimulatedToken, clusters: list[set[str]]) -> tuple[float, float]:
    """Compare the pairs of holders that were found to have one owner with those that have."""
    holders = {address for address, amount in token.balances().items() if amount > 0}
    found = pairs([cluster & holders for cluster in clusters])
    true = pairs([group & holders for group in token.owners])
    both = len(found & true)
    return both / len(found) if found else 1.0, both / len(true) if true else 1.0
