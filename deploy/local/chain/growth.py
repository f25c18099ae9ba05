"""Grow the simulated token: a launch, a sell-off, and a merge of two groups of wallets."""

from typing import Final

from deploy.local.chain.simulation import TokenSimulation

BUYERS: Final = 40
STARS: Final = (6, 8)
"""Sizes of the groups that appear at the launch, and merge at the end."""


class Growth:
    """Add to a simulation in three steps, the same every time."""

    def __init__(self, simulation: TokenSimulation) -> None:
        self._simulation = simulation
        self._stars: list[list[str]] = []
        self._steps = [
            ("launch", self._launch),
            ("sell-off", self._sell_off),
            ("merge", self._merge),
        ]

    def grow(self) -> str | None:
        """Take the next step and return its name; None if there is none left."""
        if not self._steps:
            return None
        name, step = self._steps.pop(0)
        step()
        return name

    def _launch(self) -> None:
        """Let strangers and two new groups buy from the pool."""
        simulation = self._simulation
        self._stars = [simulation.star(simulation.pool, size) for size in STARS]
        simulation.buyers(simulation.pool, BUYERS)

    def _sell_off(self) -> None:
        """Let the deployer sell half, and each wallet of the team three quarters."""
        simulation = self._simulation
        held = simulation.balances()
        team = sorted(simulation.owners[0] - {simulation.deployer})
        simulation.transfer(simulation.deployer, simulation.pool, held[simulation.deployer] // 2)
        for wallet in team:
            simulation.transfer(wallet, simulation.pool, held[wallet] * 3 // 4)

    def _merge(self) -> None:
        """Let one group send what it still holds to the centre of the other."""
        first, second = self._stars
        held = self._simulation.balances()
        for wallet in first:
            self._simulation.transfer(wallet, second[0], held[wallet] * 9 // 10)
        self._simulation.same_owner(*first, *second)
