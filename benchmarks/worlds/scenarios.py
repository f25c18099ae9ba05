"""Import all scenarios, which registers them."""

from benchmarks.worlds.held_out import known as held_out_known
from benchmarks.worlds.scenario import SCENARIOS
from benchmarks.worlds.tuning import accounts, attacks, known, services, trades

__all__ = ["SCENARIOS", "accounts", "attacks", "held_out_known", "known", "services", "trades"]
