"""What a worker needs from outside, and how it is told that there is none."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from compute.facts import Facts, Pinned, Questions, Token
from compute.transfers import Transfers
from contracts.compute import FailureCode


class Fruitless(Exception):
    """This analysis cannot come to its end."""

    def __init__(self, code: FailureCode, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Read(Protocol):
    """Some blocks of a token, read."""

    @property
    def from_block(self) -> int: ...
    @property
    def to_block(self) -> int: ...
    @property
    def end_hash(self) -> str: ...
    @property
    def transfers(self) -> Transfers: ...


class Chain(Protocol):
    """One chain as an analysis asks it; raises `Fruitless` for what cannot be had."""

    async def pinned(self) -> Pinned: ...
    async def token(self, address: str, pinned: Pinned) -> Token: ...
    async def block_hash(self, number: int) -> str | None: ...
    def sync(self, address: str, from_block: int, to_block: int) -> AsyncIterator[Read]: ...
    async def answer(self, token: Token, pinned: Pinned, questions: Questions) -> Facts: ...


class Segments(Protocol):
    """Where transfers are kept that were read once."""

    async def put(self, chain_id: int, token: str, read: Read) -> str: ...
    async def get(self, key: str) -> Transfers: ...


@dataclass(frozen=True, slots=True)
class Analysed:
    """A result as it is kept and served: JSON."""

    report: bytes
    holders: bytes
    graph: bytes
    summary: bytes
    num_clusters: int
    largest_share: float


class Analyst(Protocol):
    """The computation, off the event loop."""

    async def questions(self, chain_id: int, transfers: Transfers, token: Token) -> Questions: ...
    async def analyse(self, transfers: Transfers, facts: Facts, computed_at: int) -> Analysed: ...
