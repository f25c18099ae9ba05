"""Imitate how real JSON-RPC providers limit log queries, and how they word their errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

TOO_MANY_RESULTS: Final = 10_000


class RpcRejection(Exception):
    """Reject a call with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class QueryLimit:
    """Limit log queries as one provider does."""

    error: Callable[[int, int, int], tuple[int, str]]
    """(first block, last block, middle) -> error code and message."""
    results: int | None = None
    """Most logs per query."""
    blocks: int | None = None
    """Most blocks per query."""

    def check(self, at: int, to: int, count: int) -> None:
        """Raise `RpcRejection` if a query for these blocks with `count` logs exceeds the limit."""
        too_wide = self.blocks is not None and to - at + 1 > self.blocks
        too_many = self.results is not None and count > self.results
        if too_wide or too_many:
            raise RpcRejection(*self.error(at, to, max(at, (at + to) // 2)))


def _range(limit: int, code: int, message: str) -> QueryLimit:
    return QueryLimit(lambda at, to, _: (code, message.format(asked=to - at + 1)), blocks=limit)


STYLES: Final[Mapping[str, QueryLimit]] = {
    "infura": QueryLimit(
        lambda at, _, half: (
            -32005,
            (
                "query returned more than 10000 results. Try with this block range "
                f"[{hex(at)}, {hex(half)}]."
            ),
        ),
        results=TOO_MANY_RESULTS,
    ),
    "infura-range": _range(10_000, -32602, "range {asked} exceeds limit of 10000"),
    "alchemy": QueryLimit(
        lambda at, _, half: (
            -32602,
            (
                "Log response size exceeded. You can make eth_getLogs requests with up to a 2K "
                "block range and no limit on the response size, or you can request any block range "
                "with a cap of 10K logs in the response. Based on your parameters, this block "
                "range should "
                f"work: [{hex(at)}, {hex(half)}]"
            ),
        ),
        results=TOO_MANY_RESULTS,
    ),
    "reth": QueryLimit(
        lambda at, to, _: (
            -32602,
            f"query exceeds max results 20000, retry with the range {at}-{to}",
        ),
        results=20_000,
    ),
    "quicknode": _range(10_000, -32614, "eth_getLogs is limited to a 10,000 range"),
    "quicknode-free": _range(5, -32615, "eth_getLogs is limited to a 5 range"),
    "range-1000": _range(1_000, -32000, "block range is too wide, maximum is set to 1000"),
    "range-1024": _range(1_024, -32000, "exceed maximum block range: 1024"),
    "range-2000": _range(2_000, -32000, "block range too large"),
    "range-3000": _range(3_000, -32701, "Please limit the query to at most 3000 blocks"),
    "results-1000": QueryLimit(lambda *_: (-32000, "too many logs"), results=1_000),
    "timeout": QueryLimit(lambda *_: (-32000, "query timeout exceeded"), blocks=700),
}
