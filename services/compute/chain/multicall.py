"""Read many accounts at one block with one `eth_call`; see `programs` for what it executes.

What a provider accepts is found by trying: a call that is rejected is repeated for an eighth of its
items. Only a call for a single item that is rejected counts as an answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from compute.chain.calls import BudgetSpent, Calls
from compute.chain.programs import COINS, Program
from compute.chain.rejections import RpcError
from compute.chain.rpc import BATCH, Call, Unreachable
from compute.chain.witness import Witness

ITEMS: Final = 1_000
"""Items of one call, at most; a node reads as many accounts from its disk."""
BATCH_BYTES: Final = 200_000
"""Program bytes in one HTTP request, at most."""
SMALLER: Final = 8
NO_RESULT: Final = -32_096
"""Our own error code for a response that is no result of the program."""

Items = Sequence[bytes]


@dataclass(slots=True)
class MulticallLimits:
    """Remember what the providers of a chain accept."""

    supported: bool | None = None
    """False if they refuse `eth_call` without `to`; None if that is not known yet."""
    items: dict[str, int] = field(default_factory=dict)
    """Items of one call that were accepted after more were rejected, by program."""
    witness: Witness | None = None
    """Shows which states an endpoint has; None if it is not known yet."""
    old_until: int = -1
    """A block whose EVM knows no code hashes; nor do those before it."""

    def most(self, program: Program) -> int:
        """Return the number of items to put into one call."""
        return self.items.get(program.name, min(ITEMS, program.most))


@dataclass(slots=True)
class _Part:
    """Track the items of one request; those of a rejected call are tried again, fewer at once."""

    block: int
    items: Items
    most: int
    records: list[bytes] = field(default_factory=list)
    rejected: bool = False
    error: RpcError | None = None

    @property
    def next(self) -> Items:
        """The items to send next; none if all are done, or if it failed."""
        done = len(self.records)
        return () if self.error is not None else self.items[done : done + self.most]


@dataclass(slots=True)
class Multicall:
    """Run programs over many items."""

    calls: Calls
    limits: MulticallLimits

    async def supported(self, block: int) -> bool:
        """Return whether the chain's providers run programs; the answer is remembered."""
        if self.limits.supported is None and self.calls.left:
            (result,) = await self.run(COINS, [(block, [bytes(20)])])
            self.limits.supported = not isinstance(result, RpcError)
        return bool(self.limits.supported)

    async def run(
        self,
        program: Program,
        requests: Sequence[tuple[int, Items]],
        last: bytes | None = None,
    ) -> list[list[bytes] | RpcError]:
        """Return the records of each request (a block and items), or the error of its first item.

        Where an endpoint returns only zeros for the item `last`, another one is asked.

        Raises:
            Unreachable: no endpoint responds.
        """
        most = self.limits.most(program)
        parts = [
            [_Part(block, items[at : at + most], most) for at in range(0, len(items), most)]
            for block, items in requests
        ]
        flat = [part for request in parts for part in request]
        while waiting := [part for part in flat if part.next]:
            for batch in _batches(waiting, program):
                await self._send(program, batch, last)
        return [_joined(request) for request in parts]

    async def _send(self, program: Program, parts: Sequence[_Part], last: bytes | None) -> None:
        results = await self._results(program, parts, last)
        for part, result in zip(parts, results, strict=True):
            records = _records(program, result, len(part.next))
            if not isinstance(records, RpcError):
                part.records += records
                if part.rejected:
                    self.limits.items[program.name] = part.most
            elif len(part.next) == 1 or not self.calls.left:
                part.error = records
            else:
                part.most, part.rejected = max(1, len(part.next) // SMALLER), True

    async def _results(
        self, program: Program, parts: Sequence[_Part], last: bytes | None
    ) -> list[Any]:
        calls = [_call(program, part) for part in parts]

        def is_doubtful(call: Call, result: Any) -> bool:
            part = parts[calls.index(call)]
            records = _records(program, result, len(part.next))
            if isinstance(records, RpcError):
                return True
            complete = len(records) == len(part.next) and part.next[-1] == last
            return complete and not any(records[-1])

        try:
            return await self.calls.batch(calls, is_doubtful)
        except BudgetSpent as error:
            return [RpcError(NO_RESULT, str(error))] * len(parts)
        except Unreachable as error:
            if all(len(part.next) == 1 for part in parts):
                raise
            return [RpcError(NO_RESULT, str(error))] * len(parts)


def _batches(parts: Sequence[_Part], program: Program) -> Iterator[list[_Part]]:
    """Divide parts into HTTP requests that are not too large."""
    batch, size = list[_Part](), 0
    for part in parts:
        added = len(program.code) + len(part.next) * program.item
        if batch and (len(batch) == BATCH or size + added > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += added
    yield batch


def _call(program: Program, part: _Part) -> Call:
    data = "0x" + program.code.hex() + b"".join(part.next).hex()
    return "eth_call", ({"data": data}, hex(part.block))


def _records(program: Program, result: Any, items: int) -> list[bytes] | RpcError:
    if isinstance(result, RpcError):
        return result
    try:
        return program.records(bytes.fromhex(str(result).removeprefix("0x")), items)
    except ValueError as error:
        return RpcError(NO_RESULT, f"the response is no result: {error}")


def _joined(parts: Sequence[_Part]) -> list[bytes] | RpcError:
    for part in parts:
        if part.error is not None:
            return part.error
    return [record for part in parts for record in part.records]
