"""Import all scenarios, which registers them."""

import benchmarks.worlds.held_out.accounts
import benchmarks.worlds.held_out.known
import benchmarks.worlds.held_out.launches
import benchmarks.worlds.held_out.markets
import benchmarks.worlds.held_out.mixture
import benchmarks.worlds.held_out.payments
import benchmarks.worlds.held_out.services
import benchmarks.worlds.held_out.sponsors
import benchmarks.worlds.held_out.trades
import benchmarks.worlds.tuning.accounts
import benchmarks.worlds.tuning.attacks
import benchmarks.worlds.tuning.framing
import benchmarks.worlds.tuning.known
import benchmarks.worlds.tuning.launches
import benchmarks.worlds.tuning.mixture
import benchmarks.worlds.tuning.payments
import benchmarks.worlds.tuning.services
import benchmarks.worlds.tuning.sponsors
import benchmarks.worlds.tuning.trades  # noqa: F401  as those above
from benchmarks.worlds.scenario import SCENARIOS

__all__ = ["SCENARIOS"]
