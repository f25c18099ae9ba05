"""Describe launches transaction by transaction, and analyse them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from compute.analysis import AnalysisOutput, Label, Labels, Parameters, analyse, required_facts
from compute.chain_facts import (
    ChainFacts,
    Code,
    Funding,
    Probe,
    RequiredFacts,
    Sweep,
    Transaction,
)
from compute.transfers import TransferRow
from tests.compute.simulated_token import SUPPLY, TOKEN, UNIT, ZERO, SimulatedToken, hash_of

T = TypeVar("T")

Move = tuple[str, str, int]
OLD = 40 * 86_400
"""Seconds before a block at which a wallet that has been used for long got its first coins."""
CONTRACT = Code(3_000, hash_of(1), b"\x60\x80")
NO_CODE = Code(0, hash_of(0), b"")
POOL = Probe({
    "token0()": bytes(12) + bytes.fromhex(TOKEN[2:]), "token1()": bytes(31) + b"\x01",
})  # fmt: skip


@dataclass
class Launch(SimulatedToken):
    """Grow transaction by transaction; a transfer is signed by its sender unless stated."""

    signed: dict[str, Transaction | None] = field(default_factory=dict)
    nonce: dict[str, int] = field(default_factory=dict)
    code: dict[str, Code] = field(default_factory=dict)
    probed: dict[str, Probe] = field(default_factory=dict)
    swept: dict[str, Sweep | None] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    clock: int = 400_000
    """Blocks that have passed in addition to those of the transfers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pool = self.contract(POOL)
        self.transfer(self.deployer, self.pool, SUPPLY * 6 // 10)

    @property
    def block(self) -> int:
        """The number of the next block."""
        return 1 + len(self.rows) + self.clock

    def contract(self, probe: Probe | None = None, code: Code = CONTRACT) -> str:
        """Return a new contract."""
        contract = self.new_wallet(funded=False)
        self.code[contract] = code
        if probe is not None:
            self.probed[contract] = probe
        return contract

    def act(
        self,
        signer: str,
        *moves: Move,
        to: str | None = TOKEN,
        accounts: Iterable[str] = (),
    ) -> str:
        """Let one transaction move tokens; return its hash."""
        block, tx_hash = self.block, hash_of(10**12 + len(self.signed))
        self.rows += [
            TransferRow(block, n, tx_hash, sender, recipient, amount)
            for n, (sender, recipient, amount) in enumerate(moves)
        ]
        self.signed[tx_hash] = Transaction(signer, to, frozenset(accounts))
        return tx_hash

    def buy(self, *buyers: str, amount: int = 50_000 * UNIT) -> None:
        """Let wallets buy, each in a transaction of its own."""
        for buyer in buyers:
            self.act(buyer, (self.pool, buyer, amount))

    def used_for_long(self, funder: str | None = None, nonce: int = 300) -> str:
        """Return a wallet that got its first coins long ago, and has been busy since."""
        wallet = self.new_wallet(funded=False)
        self.nonce[wallet] = nonce
        if funder is not None:
            at = self.block * 12 - OLD
            self.funders[wallet] = Funding(
                funder, hash_of(10**11 + len(self.funders)), at // 12, at
            )
        return wallet

    def facts(self) -> ChainFacts:
        """Return all facts, as after the last round."""
        facts = super().facts()
        names = set(facts.nonces) | {each.recipient for each in self.swept.values() if each}
        signers = {each.sender for each in self.signed.values() if each}
        nonces = {**dict.fromkeys(names | signers, 9), **facts.nonces, **self.nonce}
        return replace(
            facts,
            token=replace(facts.token, created_block=self.rows[0].block),
            codes={**dict.fromkeys(nonces, NO_CODE), **facts.codes, **self.code},
            probes={**facts.probes, **self.probed},
            nonces={name: n for name, n in nonces.items() if name not in self.code},
            transactions={**facts.transactions, **self.signed},
            sweeps=self.swept,
        )

    def analysed(self, facts: ChainFacts | None = None, **changes: object) -> AnalysisOutput:
        """Return what the analysis finds."""
        return analyse(
            self.transfers(),
            self.facts() if facts is None else facts,
            Labels("test", self.labels),
            Parameters(**changes),  # type: ignore[arg-type]
            chain="ethereum",
            computed_at=1_800_000_000,
        )

    def clusters(self, facts: ChainFacts | None = None, **changes: object) -> list[set[str]]:
        """Return the members of each cluster."""
        found = self.analysed(facts, **changes).report.clusters
        return [{member.address.lower() for member in cluster.members} for cluster in found]


def rounds_of(launch: Launch, parameters: Parameters | None = None) -> list[RequiredFacts]:
    """Return what each round requires, if all that is asked for is found."""
    everything, transfers = launch.facts(), launch.transfers()
    facts = replace(
        everything, codes={}, nonces={}, transactions={}, funders={}, sweeps={}, probes={},
        balances={}, requested=RequiredFacts(),
    )  # fmt: skip
    found = []
    while required := required_facts(
        transfers, facts, Labels("test", launch.labels), parameters or Parameters()
    ):
        found.append(required)
        facts = facts.merged(_answered(everything, facts, required))
    return found


def _answered(everything: ChainFacts, facts: ChainFacts, required: RequiredFacts) -> ChainFacts:
    return replace(
        facts,
        codes=_some(everything.codes, required.codes),
        nonces=_some(everything.nonces, required.nonces),
        transactions=_some(everything.transactions, required.transactions),
        funders={each: everything.funders.get(each) for each in required.funders},
        sweeps={each: everything.sweeps.get(each) for each in required.sweeps},
        probes=_some(everything.probes, required.probes),
        balances=_some(everything.balances, required.balances),
        requested=required,
    )


def _some(found: Mapping[str, T], names: Iterable[str]) -> dict[str, T]:
    return {name: found[name] for name in names if name in found}


__all__ = ["OLD", "SUPPLY", "TOKEN", "UNIT", "ZERO", "Launch", "hash_of", "rounds_of"]
