"""Provide simulated tokens as an analysis receives them, and measure what it finds."""

from compute.chain_facts import (
    ChainFacts,
    Code,
    PinnedBlock,
    Probe,
    RequiredFacts,
    TokenInfo,
    Transaction,
)
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

NONCE = 9
"""Transactions that each wallet has sent."""
_POOL = {
    "token0()": bytes(12) + bytes.fromhex(TOKEN[2:]),
    "token1()": bytes(12) + bytes.fromhex("77" * 20),
}


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
            codes={name: Code(1_000, hash_of(1), b"\x60") for name in self.contracts},
            probes={name: Probe(_POOL) for name in self.contracts},
            nonces=dict.fromkeys(self._wallets(), NONCE),
            transactions={
                row.tx_hash: Transaction(row.sender, TOKEN, frozenset()) for row in self.rows
            },
            funders=dict(self.funders),
            balances={name: max(0, held) for name, held in self.balances().items()},
            requested=RequiredFacts(codes=tuple(self.contracts)),
        )

    def _wallets(self) -> set[str]:
        """Return all addresses that appear but the contracts and exchanges."""
        names = {name for row in self.rows for name in (row.sender, row.recipient)}
        names |= {each.funder for each in self.funders.values() if each is not None}
        return (names | self.funders.keys()) - self.contracts - self.exchanges


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


def small_token() -> SimulatedToken:
    """The deployer keeps 40 %, a pool 30 %, two wallets of one owner 20 %, a stranger 10 %."""
    simulated = SimulatedToken(1)
    pool, (one, other, stranger) = simulated.new_contract(), simulated.new_wallets(3)
    simulated.transfer(simulated.deployer, pool, SUPPLY * 6 // 10)
    simulated.transfer(pool, one, SUPPLY * 2 // 10)
    simulated.transfer(one, other, SUPPLY // 10)
    simulated.transfer(pool, stranger, SUPPLY // 10)
    simulated.same_owner(one, other)
    return simulated
