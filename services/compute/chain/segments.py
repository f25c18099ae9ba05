"""Store transfers that were read in S3, as compressed columns."""

import asyncio
import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from compute.transfers import TransferRange, Transfers, texts_of

FORMAT: Final = 1
"""Number of the storage format; another number is not read."""
_DIGEST: Final = 32
"""Characters of the digest of a segment's content that its key has."""
_COLUMNS: Final = ("addresses", "block", "log_index", "tx", "sender", "recipient", "value")


class BrokenSegment(Exception):
    """Report that a stored segment does not match its key."""


def pack(transfers: Transfers) -> bytes:
    """Encode transfers as a compressed `.npz`: plain numpy columns, without pickled objects.

    The format has addresses in ascending order, and amounts as the log has them.
    """
    order = np.argsort(texts_of(transfers.addresses))
    number = np.empty(len(order), np.uint32)
    number[order] = np.arange(len(order), dtype=np.uint32)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        format=np.array(FORMAT),
        addresses=transfers.addresses[order],
        block=transfers.block,
        log_index=transfers.log_index,
        tx=transfers.tx,
        sender=number[transfers.sender],
        recipient=number[transfers.recipient],
        value=transfers.value,
    )
    return buffer.getvalue()


def unpack(raw: bytes, key: str) -> Transfers:
    """Decode a segment.

    Raises:
        BrokenSegment: the content is not that of the key, or the columns do not fit each other.
    """
    if digest_in(key) not in (None, _digest(raw)):
        raise BrokenSegment(f"{key}: other content")
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            if int(stored["format"]) != FORMAT:
                raise BrokenSegment(f"{key}: unknown format {int(stored['format'])}")
            columns = {name: stored[name] for name in _COLUMNS}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BrokenSegment(f"{key}: {error}") from error
    lengths, block = {len(columns[name]) for name in _COLUMNS[1:]}, columns["block"]
    first, last = (int(part) for part in key.rsplit("/", 1)[1].split("-")[:2])
    in_range = not len(block) or first <= block[0] <= block[-1] <= last
    if len(lengths) != 1 or not in_range:
        raise BrokenSegment(f"{key}: the rows do not match the key")
    addresses = columns.pop("addresses")
    ends = {name: addresses[columns.pop(name)] for name in ("sender", "recipient")}
    return Transfers.of(**columns, **ends)


def key_of(chain_id: int, token: str, read: TransferRange, body: bytes) -> str:
    """Return the key of a range's content.

    The end hash in it keeps branches of the chain apart, and the digest what was read of the same
    blocks at different times: a range that is read again may have more logs.
    """
    place = f"{read.from_block}-{read.to_block}-{read.end_hash[2:18]}"
    return f"{chain_id}/{token}/{place}-{_digest(body)}.npz"


def digest_in(key: str) -> str | None:
    """Return the digest of the content that a key names; None for keys of earlier versions."""
    last = key.removesuffix(".npz").rsplit("-", 1)[1]
    return last if len(last) == _DIGEST else None


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_DIGEST]


@dataclass(frozen=True, slots=True)
class S3SegmentStore:
    """Store segments in an S3 bucket."""

    bucket: str
    client: Any = field(repr=False)
    """A started S3 client of aiobotocore."""

    async def put(self, chain_id: int, token: str, read: TransferRange) -> str:
        body = await asyncio.to_thread(pack, read.transfers)  # most of it compresses, in C
        key = key_of(chain_id, token, read, body)
        await self.client.put_object(Bucket=self.bucket, Key=key, Body=body)
        return key

    async def version(self, key: str) -> str:
        """Return what changes with the content of a segment: the key, if it names the content."""
        if digest_in(key) is not None:
            return key
        found = await self.client.head_object(Bucket=self.bucket, Key=key)
        return f"{key} {found['ETag']}"

    async def read(self, key: str) -> bytes:
        """Return a segment as it is stored."""
        response = await self.client.get_object(Bucket=self.bucket, Key=key)
        async with response["Body"] as body:
            raw: bytes = await body.read()
            return raw
