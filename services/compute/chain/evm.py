"""Implement the worker's `Chain` port for an EVM chain."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import format_exc
from typing import Final

import structlog

from compute.chain.accounts import Accounts
from compute.chain.fetch_facts import fetch_facts
from compute.chain.multicall import MulticallLimits
from compute.chain.rejections import RpcError
from compute.chain.rpc import RpcClient, Unreachable
from compute.chain.second_reading import read_again
from compute.chain.token import NoContract, NotAToken, read_token
from compute.chain.transfer_logs import LogsRefused, Window, read_transfers
from compute.chain_facts import Address, ChainFacts, PinnedBlock, RequiredFacts, TokenInfo
from compute.contradictions import Balances
from compute.ports import AnalysisFailure
from compute.transfers import TransferRange

_UNAVAILABLE: Final = (
    "The chain could not be queried. What was read so far is stored; request the analysis again "
    "later."
)

FEW_BALANCES: Final = 20
"""Balances at an earlier block that are read one by one, where a call cannot read many."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class EvmChain:
    """Query one chain; turn its errors into `AnalysisFailure` with a text for users."""

    rpc: RpcClient
    finality: int | None = None
    """Blocks behind the head that count as final; None: use the chain's tag `finalized`."""
    finality_blocks: int = 64
    """As `finality`, for endpoints that do not know the tag."""
    start_block: int = 0
    """First block to read if the endpoint keeps no old states."""
    _window: Window = field(default_factory=Window)
    """Shared by all jobs, so that the providers' limits are learnt once."""
    _multicall: MulticallLimits = field(default_factory=MulticallLimits)
    """Shared like `_window`."""
    _warnings: dict[str, list[str]] = field(default_factory=dict)
    """Warnings about each token, by its address."""

    async def pinned(self) -> PinnedBlock:
        with _unavailable():
            if self.finality is not None:
                return await self._behind_head(self.finality)
            block = await self._finalized()
            if block is not None:
                return _pinned(block, finalized=True)
            return await self._behind_head(self.finality_blocks)

    async def _finalized(self) -> Mapping[str, str] | None:
        """Return the newest final block; None if the chain has no such tag, or never moves it."""
        try:
            block = await self.rpc.block("finalized")
        except RpcError:
            return None
        return block if block and int(block["number"], 16) > 0 else None

    async def _behind_head(self, blocks: int) -> PinnedBlock:
        """Return the block so far behind the head; the head of a chain that is shorter."""
        head = int(await self.rpc.call("eth_blockNumber"), 16)
        block = await self.rpc.block(head - blocks if head > blocks else head)
        if block is None:
            raise Unreachable("the chain does not return a block that it reported")
        return _pinned(block, finalized=False)

    async def token(self, address: str, pinned: PinnedBlock) -> TokenInfo:
        try:
            with _unavailable():
                token, warnings = await read_token(self.rpc, address, pinned, self.start_block)
        except NoContract as error:
            raise AnalysisFailure("no_contract", str(error)) from error
        except NotAToken as error:
            raise AnalysisFailure("not_erc20", str(error)) from error
        self._warnings[address] = warnings
        return token

    async def block_hash(self, number: int) -> str | None:
        with _unavailable():
            block = await self.rpc.block(number)
        return None if block is None else str(block["hash"])

    async def sync(
        self, address: str, from_block: int, to_block: int
    ) -> AsyncIterator[TransferRange]:
        with _unavailable():
            async for read in read_transfers(self.rpc, address, from_block, to_block, self._window):
                yield read

    async def read_again(
        self, address: str, from_block: int, to_block: int, count: int
    ) -> TransferRange | None:
        return await read_again(self.rpc, address, from_block, to_block, count)

    async def balances(
        self, token: TokenInfo, addresses: Sequence[Address], block: int
    ) -> Balances:
        accounts = Accounts.unlimited(self.rpc, self._multicall)
        with _unavailable():
            if not await accounts.multicall.supported(block):
                addresses = addresses[:FEW_BALANCES]
            found = await accounts.balances(token.address, addresses, block)
        return {} if set(found.values()) == {None} else found

    async def fetch_facts(
        self, token: TokenInfo, pinned: PinnedBlock, required: RequiredFacts
    ) -> ChainFacts:
        warnings = self._warnings.get(token.address, [])
        with _unavailable():
            return await fetch_facts(
                self.rpc, token, pinned, required, warnings=warnings, limits=self._multicall
            )


def _pinned(block: Mapping[str, str], *, finalized: bool) -> PinnedBlock:
    return PinnedBlock(
        int(block["number"], 16), block["hash"], int(block["timestamp"], 16), finalized=finalized
    )


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turn a failed query into an `AnalysisFailure`."""
    try:
        yield
    except LogsRefused as error:
        raise AnalysisFailure("provider_unavailable", str(error)) from error
    except (RpcError, Unreachable) as error:
        raise AnalysisFailure("provider_unavailable", f"{_UNAVAILABLE} ({error})") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        trace = format_exc(limit=-3)  # without local variables, which are large here
        log.error("provider_response_not_understood", trace=trace)  # noqa: TRY400
        raise AnalysisFailure("provider_unavailable", _UNAVAILABLE) from error
