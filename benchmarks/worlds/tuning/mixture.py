"""Define the mixture that may be looked at while tuning."""

from benchmarks.worlds.mixture import crowd_of_all_kinds, launch_with_bundle
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.world import World


@scenario()
def mixture(world: World, scale: int) -> None:
    """Mix a bundle, groups, services, thieves, dust and gifts."""
    launch_with_bundle(world)
    crowd_of_all_kinds(world, scale)
