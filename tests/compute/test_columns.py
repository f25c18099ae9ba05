"""Merged columns on disk hold what the segments hold, and lead to the same ledger."""

import io
import os
import pickle
import random
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute import address_table, merging
from compute.address_table import AddressTable
from compute.analysis import Parameters, pairs
from compute.analysis.ledger import replay
from compute.chain.segments import key_of, pack, unpack
from compute.columns import (
    FORMAT,
    ColumnsChanged,
    MappedTransfers,
    columns_until,
    open_columns,
    read_manifest,
)
from compute.merging import SegmentOutOfOrder, append_segments, evict, missing_segments
from compute.transfers import TransferRange, TransferRow, Transfers
from tests.compute.analysis.test_ledger import NAMES, folded, require_fold, rows
from tests.compute.simulated_token import TOKEN, hash_of

_numbers = count()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("columns")


def new_directory(root: Path) -> Path:
    return root / str(next(_numbers))


def segments_of(found: list[TransferRow], ends: list[int]) -> dict[str, Transfers]:
    """Divide rows into ranges of blocks; each is encoded and decoded."""
    segments, first = {}, 0
    for last in [*sorted(set(ends)), 10**6]:
        part = Transfers.of_rows(row for row in found if first <= row.block <= last)
        body = pack(part)
        key = key_of(1, TOKEN, TransferRange(first, last, hash_of(last), part), body)
        segments[key] = unpack(body, key)
        first = last + 1
    return segments


def merged(directory: Path, segments: dict[str, Transfers]) -> MappedTransfers:
    missing = missing_segments(directory, list(segments))
    append_segments(directory, [(key, segments[key]) for key in missing])
    return open_columns(directory)


def same(one: Transfers, other: Transfers) -> bool:
    names = ("addresses", "block", "log_index", "tx", "sender", "recipient", "value")
    return all(getattr(one, each).tobytes() == getattr(other, each).tobytes() for each in names)


@pytest.mark.slow
@settings(max_examples=40)
@given(rows, st.lists(st.integers(1, 20), max_size=6), st.integers(1, 9), st.randoms())
def test_the_ledger_of_merged_segments_equals_a_simple_fold(
    root: Path, found: list[TransferRow], ends: list[int], part: int, chance: random.Random
) -> None:
    expected = folded(found)
    mixed = [*expected, *expected[:3]]
    chance.shuffle(mixed)
    segments = segments_of(mixed, ends)
    directory = new_directory(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "PART_ROWS", part)
        patch.setattr(pairs, "_SAMPLE", 2)
        patch.setattr(address_table, "_LEAST_SLOTS", 4)
        for number in range(1, len(segments) + 1):  # as refreshes do
            transfers = merged(directory, dict(list(segments.items())[:number]))
            if chance.random() < 0.5 or number == len(segments):
                known = [row for row in expected if row.block <= _last_block(transfers)]
                require_fold(replay(transfers, Parameters()), known)
    assert same(transfers, Transfers.of_rows(expected))


def _last_block(transfers: Transfers) -> int:
    return int(transfers.block[-1]) if len(transfers) else 0


@pytest.mark.slow
@settings(max_examples=40)
@given(rows, st.lists(st.integers(1, 20), max_size=6), st.integers(0, 21))
def test_the_first_rows_are_those_until_a_block(
    root: Path, found: list[TransferRow], ends: list[int], block: int
) -> None:
    expected = folded(found)
    transfers = merged(new_directory(root), segments_of(expected, ends)).until(block)
    assert same(transfers, Transfers.of_rows(row for row in expected if row.block <= block))
    assert same(transfers, Transfers.of_rows(expected).until(block))
    assert isinstance(transfers, MappedTransfers)
    require_fold(replay(transfers, Parameters()), [row for row in expected if row.block <= block])


def simple_rows(first: int, last: int, value: int = 1) -> list[TransferRow]:
    return [
        TransferRow(n, 0, hash_of(n), NAMES[n % 7], NAMES[(n * n + value) % 7], value + n)
        for n in range(first, last + 1)
    ]


def test_only_new_segments_are_appended(root: Path) -> None:
    directory = new_directory(root)
    segments = segments_of(simple_rows(1, 30), [10, 20])
    merged(directory, segments)
    assert missing_segments(directory, list(segments)) == []
    longer = [*segments, "1/0x/1000001-1000002-ab.npz"]
    assert missing_segments(directory, longer) == longer[-1:]


def test_segments_of_an_abandoned_branch_are_dropped(root: Path) -> None:
    directory = new_directory(root)
    replay(merged(directory, segments_of(simple_rows(1, 30), [10, 20])), Parameters())
    found = [*simple_rows(1, 20), *simple_rows(21, 40, value=10**30)]
    changed = segments_of(found, [10, 20])
    last = list(changed)[-1]
    changed[last.replace("-1000000-", "-999999-")] = changed.pop(last)
    transfers = merged(directory, changed)
    assert same(transfers, Transfers.of_rows(found))
    require_fold(replay(transfers, Parameters()), found)


def test_rows_of_a_merge_that_was_killed_are_overwritten(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = new_directory(root)
    segments = segments_of(simple_rows(1, 30), [10, 20])
    merged(directory, dict(list(segments.items())[:1]))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(merging, "write_manifest", killed)
    with pytest.raises(KeyboardInterrupt):
        append_segments(directory, list(segments.items())[1:])
    monkeypatch.undo()
    assert same(merged(directory, segments), Transfers.of_rows(simple_rows(1, 30)))


@pytest.mark.parametrize("name", ["block", "sender", "tx", "digit-0", "addresses", "manifest.json"])
@pytest.mark.parametrize("missing", [True, False])
def test_columns_of_which_a_part_was_lost_are_merged_again(
    root: Path,
    name: str,
    missing: bool,  # noqa: FBT001  a row of the table
) -> None:
    """A disk that was full, or a service that cleans up temporary files, leaves a part of them."""
    directory = new_directory(root)
    segments = segments_of(simple_rows(1, 30), [10, 20])
    replay(merged(directory, segments), Parameters())
    if missing:
        (directory / name).unlink()
    else:
        os.truncate(directory / name, 7)
    transfers = merged(directory, segments)
    assert same(transfers, Transfers.of_rows(simple_rows(1, 30)))
    require_fold(replay(transfers, Parameters()), simple_rows(1, 30))


def test_columns_and_sums_of_another_format_are_not_used(root: Path) -> None:
    directory = new_directory(root)
    replay(merged(directory, segments_of(simple_rows(1, 30, value=9), [10, 20])), Parameters())
    manifest = directory / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    transfers = merged(directory, segments_of(simple_rows(1, 30), [10, 20]))
    require_fold(replay(transfers, Parameters()), simple_rows(1, 30))


def test_a_segment_out_of_order_is_rejected(root: Path) -> None:
    directory = new_directory(root)
    segments = list(segments_of(simple_rows(1, 30), [10, 20]).items())
    missing_segments(directory, [])
    with pytest.raises(SegmentOutOfOrder):
        append_segments(directory, segments[::-1])
    assert read_manifest(directory).total == 0


def test_columns_travel_to_another_process_as_their_place(root: Path) -> None:
    directory = new_directory(root)
    transfers = merged(directory, segments_of(simple_rows(1, 500), []))
    stored = columns_until(directory, 400)
    travelled = pickle.dumps(stored)
    assert len(travelled) < 400
    opened = pickle.loads(travelled).open()  # noqa: S301
    assert same(opened, transfers.until(400))
    (directory / "manifest.json").unlink()
    with pytest.raises(ColumnsChanged):
        stored.open()


def test_a_segment_of_an_earlier_version_is_read() -> None:
    """Addresses in ascending order, amounts as words: what was stored is read for years."""
    found = simple_rows(1, 50, value=2**200)
    expected = Transfers.of_rows(found)
    names = sorted(expected.all_addresses())
    buffer, columns = io.BytesIO(), _columns_of(found, names)
    np.savez_compressed(buffer, format=np.array(1), **columns)
    key = f"1/{TOKEN}/0-60-abcd.npz"
    assert same(unpack(buffer.getvalue(), key), expected)
    with np.load(io.BytesIO(pack(expected))) as stored:  # an earlier version reads ours
        assert {name: stored[name].tobytes() for name in columns} == {
            name: column.tobytes() for name, column in columns.items()
        }


def _columns_of(found: list[TransferRow], names: list[str]) -> dict[str, Any]:
    def raw(texts: list[str]) -> Any:
        packed = b"".join(bytes.fromhex(text[2:]) for text in texts)
        return np.frombuffer(packed, np.uint8).reshape(len(texts), -1)

    return {
        "addresses": raw(names),
        "block": np.array([row.block for row in found], np.uint64),
        "log_index": np.array([row.log_index for row in found], np.uint32),
        "tx": raw([row.tx_hash for row in found]),
        "sender": np.array([names.index(row.sender) for row in found], np.uint32),
        "recipient": np.array([names.index(row.recipient) for row in found], np.uint32),
        "value": raw([f"0x{row.value:064x}" for row in found]),
    }


def test_an_address_table_grows_and_is_rebuilt(root: Path) -> None:
    directory = new_directory(root)
    directory.mkdir()
    chance = np.random.default_rng(5)
    addresses = chance.integers(0, 256, (30_000, 20), np.uint8)
    table = AddressTable(directory, 0, (3, 5, 7))
    for start in range(0, 30_000, 7_000):
        table.numbered(addresses[start : start + 7_000])
    table.close()
    expected = np.arange(30_000, dtype=np.uint32)
    assert (AddressTable(directory, 30_000, (3, 5, 7)).numbered(addresses) == expected).all()
    shorter = AddressTable(directory, 10_000, (3, 5, 7))
    assert (shorter.numbered(addresses) == expected).all()


def test_the_least_recently_used_columns_are_evicted(root: Path) -> None:
    used = [root / "evicted" / "1" / name for name in ("old", "new", "mine")]
    for age, directory in enumerate(used):
        directory.mkdir(parents=True)
        (directory / "block").write_bytes(bytes(100))
        os.utime(directory, (age, age))
    evict(root / "evicted", keep=used[2], most_bytes=250)
    assert [each.exists() for each in used] == [False, True, True]
