"""Segments come back as they went, and anything else is noticed."""

from collections.abc import AsyncIterator
from typing import Any

import aioboto3
import pytest

from compute.chain import S3Segments
from compute.chain.logs import Segment
from compute.chain.segments import BrokenSegment, packed, unpacked
from tests.compute.worlds import TOKEN, planted

BUCKET = "segments"


@pytest.fixture(scope="module")
async def s3(aws: str) -> AsyncIterator[Any]:
    session = aioboto3.Session()
    account = {"aws_access_key_id": "333333333333", "aws_secret_access_key": "local"}
    async with session.client("s3", endpoint_url=aws, region_name="eu-west-2", **account) as client:
        where = {"LocationConstraint": "eu-west-2"}
        await client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        yield client


def segment() -> Segment:
    world = planted(1)
    return Segment(0, world.block, "0x" + "ab" * 32, world.transfers())


async def test_a_segment_comes_back_as_it_went(s3: Any) -> None:
    async def client() -> Any:
        return s3

    segments, kept = S3Segments(BUCKET, client), segment()
    key = await segments.put(1, TOKEN, kept)
    assert key.startswith(f"1/{TOKEN}/0-{kept.to_block}-")
    back = await segments.get(key)
    for name in ("addresses", "block", "log_index", "tx", "sender", "recipient", "value"):
        assert getattr(back, name).tobytes() == getattr(kept.transfers, name).tobytes()
    assert await segments.put(1, TOKEN, kept) == key


def test_columns_are_smaller_than_the_logs_that_they_were_read_from() -> None:
    kept = segment()
    as_logs = 700 * len(kept.transfers)  # bytes of JSON for one log, about
    assert len(packed(kept.transfers)) < as_logs / 5


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("1/0x/0-5-ab.npz", lambda raw: raw),  # rows of other blocks
        ("1/0x/0-99999-ab.npz", lambda raw: raw[: len(raw) // 2]),
        ("1/0x/0-99999-ab.npz", lambda _raw: b"no archive"),
    ],
)
def test_what_is_not_what_its_name_says_is_told(key: str, raw: Any) -> None:
    with pytest.raises(BrokenSegment, match="1/0x"):
        unpacked(raw(packed(segment().transfers)), key)
