"""Count the calls that fetching facts makes, and stop at a budget."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar

from compute.chain.rpc import Call, RpcClient

T = TypeVar("T")


class BudgetSpent(Exception):
    """Report that these calls would exceed the budget; none of them was made."""


def _believe(_call: Call, _result: Any) -> bool:
    return False


@dataclass(slots=True)
class Calls:
    """Make calls within a budget; each call of a batch counts, repetitions do not."""

    rpc: RpcClient = field(repr=False)
    budget: int
    made: int = 0

    @property
    def left(self) -> int:
        """Calls that may still be made."""
        return max(0, self.budget - self.made)

    async def batch(
        self, calls: Sequence[Call], doubted: Callable[[Call, Any], bool] = _believe
    ) -> list[Any]:
        """Make several calls and return the result or `RpcError` of each, in order.

        A result that `doubted` returns True for is believed only if no endpoint has a better one.

        Raises:
            BudgetSpent: there are more calls than are left.
            Unreachable: no endpoint responds.
        """
        if len(calls) > self.left:
            raise BudgetSpent(f"{len(calls)} calls, and {self.left} are left")
        self.made += len(calls)
        return await self.rpc.batch(calls, doubted=doubted)

    @contextmanager
    def at_most(self, share: Fraction) -> Iterator[None]:
        """Make only a share of the calls that are left, and leave the others to what follows."""
        budget = self.budget
        self.budget = self.made + int(self.left * share)
        try:
            yield
        finally:
            self.budget = budget

    def affordable(self, wanted: Sequence[T], each: float = 1) -> Sequence[T]:
        """Return the first of these that the budget allows, at so many calls each."""
        return wanted[: int(self.left / each)]
