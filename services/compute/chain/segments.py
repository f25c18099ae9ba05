"""Transfers that were read once, kept in S3 as compressed columns."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from compute.ports import Read
from compute.transfers import Transfers

FORMAT: Final = 1
_COLUMNS: Final = ("addresses", "block", "log_index", "tx", "sender", "recipient", "value")


class BrokenSegment(Exception):
    """A stored segment is not what its name says."""


def packed(transfers: Transfers) -> bytes:
    """As a compressed `.npz`: columns that any numpy reads, and no code."""
    buffer = io.BytesIO()
    columns = {name: getattr(transfers, name) for name in _COLUMNS}
    np.savez_compressed(buffer, format=np.array(FORMAT), **columns)
    return buffer.getvalue()


def unpacked(raw: bytes, key: str) -> Transfers:
    """Raises: BrokenSegment, if the columns do not fit each other or the key."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            if int(stored["format"]) != FORMAT:
                raise BrokenSegment(f"{key}: its format is {int(stored['format'])}")
            transfers = Transfers(**{name: stored[name] for name in _COLUMNS})
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BrokenSegment(f"{key}: {error}") from error
    lengths = {len(getattr(transfers, name)) for name in _COLUMNS[1:]}
    first, last = (int(part) for part in key.rsplit("/", 1)[1].split("-")[:2])
    inside = not len(transfers) or first <= transfers.block[0] <= transfers.block[-1] <= last
    if len(lengths) != 1 or not inside:
        raise BrokenSegment(f"{key}: its rows are not those of its name")
    return transfers


def key_of(chain_id: int, token: str, read: Read) -> str:
    """The end's hash is in it: the same blocks of another branch are another segment."""
    return f"{chain_id}/{token}/{read.from_block}-{read.to_block}-{read.end_hash[2:18]}.npz"


@dataclass(frozen=True, slots=True)
class S3Segments:
    """`client` opens an aioboto3 S3 client, at the first use; close with `aclose`."""

    bucket: str
    client: Callable[[], Any] = field(repr=False)

    async def put(self, chain_id: int, token: str, read: Read) -> str:
        key = key_of(chain_id, token, read)
        await (await self.client()).put_object(
            Bucket=self.bucket, Key=key, Body=packed(read.transfers)
        )
        return key

    async def get(self, key: str) -> Transfers:
        reply = await (await self.client()).get_object(Bucket=self.bucket, Key=key)
        async with reply["Body"] as body:
            return unpacked(await body.read(), key)
