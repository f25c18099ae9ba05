"""Estimate when a block was made, from the times of a few blocks."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from compute.chain_facts import ChainFacts

DAY_SECONDS: Final = 86_400
WINDOWS: Final = (DAY_SECONDS, 7 * DAY_SECONDS, 30 * DAY_SECONDS)
"""Seconds before the pinned block over which changes are reported: a day, a week, a month."""
SAMPLES: Final = 16
"""Blocks whose time is asked for first, spread evenly over the token's life."""


@dataclass(frozen=True, slots=True)
class BlockClock:
    """Interpolate between blocks whose time is known; outside of them no time is known."""

    blocks: Sequence[int]
    """Ascending."""
    times: Sequence[int]
    """UNIX seconds, never descending."""

    def time_of(self, block: int) -> int | None:
        """Return the estimated time of a block in UNIX seconds."""
        return _interpolated(self.blocks, self.times, block)

    def blocks_in(self, seconds: int) -> int | None:
        """Return how many blocks are made in so many seconds; None if that is not known."""
        if not self.times or self.times[0] == self.times[-1]:
            return None
        return seconds * (self.blocks[-1] - self.blocks[0]) // (self.times[-1] - self.times[0])

    def last_block_until(self, time: int) -> int | None:
        """Return the estimated last block that was made until a time in UNIX seconds."""
        at = bisect_right(self.times, time)
        if at == 0 or at == len(self.times):
            return None
        (low, high), (start, end) = self.blocks[at - 1 : at + 1], self.times[at - 1 : at + 1]
        return low + (high - low) * (time - start) // (end - start)


def _interpolated(known: Sequence[int], values: Sequence[int], wanted: int) -> int | None:
    at = bisect_left(known, wanted)
    if at == len(known):
        return None
    if known[at] == wanted:
        return values[at]
    if at == 0:
        return None
    (low, high), (start, end) = known[at - 1 : at + 1], values[at - 1 : at + 1]
    return start + (end - start) * (wanted - low) // (high - low)


def clock_of(facts: ChainFacts) -> BlockClock:
    """Return a clock of all blocks whose time was fetched."""
    known = {f.block: f.timestamp for f in facts.funders.values() if f is not None}
    known |= facts.block_times
    known[facts.pinned.number] = facts.pinned.timestamp
    blocks = sorted(block for block in known if block <= facts.pinned.number)
    return BlockClock(blocks, list(accumulate((known[block] for block in blocks), max)))


def required_blocks(facts: ChainFacts) -> tuple[int, ...]:
    """Return the blocks whose time is needed next.

    First some spread evenly, then those at which the windows begin, as the first ones place them.
    """
    first, last = facts.token.created_block, facts.pinned.number
    spread = {first + (last - first) * n // SAMPLES for n in range(SAMPLES)} - {last}
    if not facts.requested.blocks:
        return tuple(sorted(spread))
    if set(facts.requested.blocks) != spread:
        return ()
    clock = clock_of(facts)
    starts = (clock.last_block_until(facts.pinned.timestamp - window) for window in WINDOWS)
    return tuple(block for block in starts if block is not None)


def window_start(clock: BlockClock, facts: ChainFacts, seconds: int) -> int | None:
    """Return the last block before a window; None if it cannot be estimated.

    For a window that is longer than the token's life it is the block before the token's creation.
    """
    since, created = facts.pinned.timestamp - seconds, facts.token.created_block
    created_at = clock.time_of(created)
    if created_at is not None and created_at > since:
        return created - 1
    return clock.last_block_until(since)
