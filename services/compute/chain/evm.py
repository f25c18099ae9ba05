"""One chain, as an analysis asks it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from compute.chain.asking import answer
from compute.chain.logs import Segment, Window, read_transfers
from compute.chain.rpc import Rpc, RpcError, Unreachable
from compute.chain.token import NoContract, NotAToken, read_token
from compute.facts import Facts, Pinned, Questions, Token
from compute.ports import Fruitless


@dataclass(slots=True)
class EvmChain:
    """Turns what cannot be had into `Fruitless`, with words for whoever asked."""

    rpc: Rpc
    finality: int | None = None
    """Blocks behind the head that are taken for final; None: the chain's own tag `finalized`."""
    behind: int = 64
    """As `finality`, where the endpoint does not know the tag."""
    start_block: int = 0
    """Where to read from if the endpoint does not keep old states."""
    _window: Window = field(default_factory=Window)
    """What this chain's providers take is learnt once."""
    _warnings: dict[str, list[str]] = field(default_factory=dict)

    async def pinned(self) -> Pinned:
        try:
            if self.finality is None:
                try:
                    block = await self.rpc.block("finalized")
                except RpcError:
                    block = None
                if block is not None:
                    return _pinned(block, finalized=True)
            return await self._behind(self.behind if self.finality is None else self.finality)
        except (RpcError, Unreachable) as error:
            raise _unavailable(error) from error

    async def _behind(self, blocks: int) -> Pinned:
        head = int(await self.rpc.call("eth_blockNumber"), 16)
        block = await self.rpc.block(max(0, head - blocks))
        if block is None:
            raise Unreachable("the chain has no block where its head should be")
        return _pinned(block, finalized=False)

    async def token(self, address: str, pinned: Pinned) -> Token:
        try:
            token, warnings = await read_token(self.rpc, address, pinned, self.start_block)
        except NoContract as error:
            raise Fruitless("no_contract", str(error)) from error
        except NotAToken as error:
            raise Fruitless("not_erc20", str(error)) from error
        except (RpcError, Unreachable) as error:
            raise _unavailable(error) from error
        self._warnings[address] = warnings
        return token

    async def block_hash(self, number: int) -> str | None:
        try:
            block = await self.rpc.block(number)
        except (RpcError, Unreachable) as error:
            raise _unavailable(error) from error
        return None if block is None else str(block["hash"])

    async def sync(self, address: str, from_block: int, to_block: int) -> AsyncIterator[Segment]:
        try:
            async for segment in read_transfers(
                self.rpc, address, from_block, to_block, self._window
            ):
                yield segment
        except (RpcError, Unreachable) as error:
            raise _unavailable(error) from error

    async def answer(self, token: Token, pinned: Pinned, questions: Questions) -> Facts:
        warnings = self._warnings.get(token.address, [])
        try:
            return await answer(self.rpc, token, pinned, questions, warnings)
        except (RpcError, Unreachable) as error:
            raise _unavailable(error) from error


def _pinned(block: Mapping[str, str], *, finalized: bool) -> Pinned:
    return Pinned(
        int(block["number"], 16), block["hash"], int(block["timestamp"], 16), finalized=finalized
    )


def _unavailable(error: Exception) -> Fruitless:
    return Fruitless(
        "provider_unavailable",
        f"the chain could not be asked; what was read is kept, ask again later ({error})",
    )
