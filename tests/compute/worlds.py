"""Worlds as an analysis is given them, and how well it sees through them."""

from compute.facts import Facts, Pinned, Token
from compute.transfers import Transfers
from deploy.local.world import SUPPLY, TOKEN, UNIT, ZERO, hash_of, plant
from deploy.local.world import World as Generated

__all__ = ["SUPPLY", "TOKEN", "UNIT", "ZERO", "World", "hash_of", "planted", "precision_and_recall"]


class World(Generated):
    def transfers(self) -> Transfers:
        return Transfers.of_rows(self.rows)

    def facts(self) -> Facts:
        last = self.block
        return Facts(
            chain_id=1,
            pinned=Pinned(last, hash_of(last), last * 12, finalized=True),
            token=Token(TOKEN, "World", "WLD", 18, SUPPLY, self.deployer, 1),
            contracts=frozenset(self.contracts),
            funders=dict(self.funders),
            balances=self.balances(),
        )


def planted(seed: int, scale: int = 1) -> World:
    world = World(seed)
    plant(world, scale)
    return world


def pairs(groups: list[set[str]]) -> set[tuple[str, str]]:
    return {(a, b) for group in groups for a in group for b in group if a < b}


def precision_and_recall(world: World, clusters: list[set[str]]) -> tuple[float, float]:
    """Of pairs of holders said to have one owner, and of those that have."""
    holders = {name for name, amount in world.balances().items() if amount > 0}
    said = pairs([cluster & holders for cluster in clusters])
    true = pairs([group & holders for group in world.truth])
    both = len(said & true)
    return both / len(said) if said else 1.0, both / len(true) if true else 1.0
