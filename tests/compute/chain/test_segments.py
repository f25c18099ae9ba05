"""Segments are read back unchanged, and broken ones are detected."""

from collections.abc import AsyncIterator
from typing import Any

import aioboto3
import pytest

from compute.chain import S3SegmentStore
from compute.chain.segments import BrokenSegment, pack, unpack
from compute.transfers import TransferRange
from tests.compute.simulated_token import TOKEN, simulated_token

BUCKET = "segments"


@pytest.fixture(scope="module")
async def s3(aws: str) -> AsyncIterator[Any]:
    session = aioboto3.Session()
    account = {"aws_access_key_id": "333333333333", "aws_secret_access_key": "local"}
    async with session.client("s3", endpoint_url=aws, region_name="eu-west-2", **account) as client:
        where = {"LocationConstraint": "eu-west-2"}
        await client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        yield client


def segment() -> TransferRange:
    simulated = simulated_token(1)
    return TransferRange(0, simulated.block, "0x" + "ab" * 32, simulated.transfers())


async def test_a_segment_is_read_back_unchanged(s3: Any) -> None:
    segments, stored = S3SegmentStore(BUCKET, s3), segment()
    key = await segments.put(1, TOKEN, stored)
    assert key.startswith(f"1/{TOKEN}/0-{stored.to_block}-")
    assert await segments.version(key) == key
    back = unpack(await segments.read(key), key)
    for name in ("addresses", "block", "log_index", "tx", "sender", "recipient", "value"):
        assert getattr(back, name).tobytes() == getattr(stored.transfers, name).tobytes()
    assert await segments.put(1, TOKEN, stored) == key


async def test_a_segment_whose_key_names_no_content_has_a_version_of_its_content(s3: Any) -> None:
    segments, key = S3SegmentStore(BUCKET, s3), f"1/{TOKEN}/0-9-{'ab' * 8}.npz"
    versions = set()
    for body in (b"one", b"two"):
        await s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        versions.add(await segments.version(key))
    assert len(versions) == 2


def test_columns_are_smaller_than_logs_in_json() -> None:
    stored = segment()
    as_logs = 700 * len(stored.transfers)  # bytes of JSON for one log, about
    assert len(pack(stored.transfers)) < as_logs / 5


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("1/0x/0-5-ab.npz", lambda raw: raw),  # rows of other blocks
        ("1/0x/0-99999-ab.npz", lambda raw: raw[: len(raw) // 2]),
        ("1/0x/0-99999-ab.npz", lambda _raw: b"no archive"),
        (f"1/0x/0-99999-ab-{'0' * 32}.npz", lambda raw: raw),  # other transfers
    ],
)
def test_a_segment_that_does_not_match_its_key_is_rejected(key: str, raw: Any) -> None:
    with pytest.raises(BrokenSegment, match="1/0x"):
        unpack(raw(pack(segment().transfers)), key)
