"""The ledger equals a simple fold over the transfers, however they are divided and stored."""

import random
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.addresses import AddressBook
from compute.analysis import Parameters, pairs
from compute.analysis.amounts import Column
from compute.analysis.balances import Balances
from compute.analysis.ledger import NO_ROW, Ledger, replay
from compute.transfers import TransferRow, Transfers
from tests.compute.simulated_token import hash_of

NAMES = [f"0x{n:040x}" for n in (0, 1, 2, 255, 256, 2**152, 2**160 - 1)]
amounts = st.integers(0, 2**256 - 1) | st.integers(0, 3) | st.just(2**256 - 1) | st.just(10**18)
rows = st.lists(
    st.builds(
        TransferRow,
        st.integers(1, 20),
        st.integers(0, 3),
        st.integers(0, 1).map(hash_of),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        amounts,
    ),
    max_size=60,
)


def folded(found: list[TransferRow]) -> list[TransferRow]:
    """Return each log once, in order."""
    unique = {(row.block, row.log_index, row.tx_hash): row for row in reversed(found)}
    return [unique[key] for key in sorted(unique)]


def require_fold(ledger: Ledger, found: list[TransferRow]) -> None:
    """Compare a ledger with a fold over dictionaries."""
    received: dict[str, int] = defaultdict(int)
    sent: dict[str, int] = defaultdict(int)
    given_: dict[tuple[str, str], list[int]] = {}
    first: dict[str, int] = {}
    for number, row in enumerate(found):
        if not row.value or row.sender == row.recipient:
            continue
        received[row.recipient] += row.value
        sent[row.sender] += row.value
        first.setdefault(row.recipient, number)
        pair = given_.setdefault((row.sender, row.recipient), [0, 0, number, number])
        pair[0] += row.value
        pair[1] += 1
        pair[3] = number
    names = ledger.addresses
    assert len(set(names)) == len(names) == len({n for r in found for n in (r.sender, r.recipient)})
    for number, name in enumerate(names):
        assert ledger.index_of(name) == number
        assert ledger.received_by(number) == received[name]
        assert ledger.balances[number] == received[name] - sent[name]
        assert int(ledger.first_row[number]) == first.get(name, int(NO_ROW))
    assert list(ledger.balances) == [received[name] - sent[name] for name in names]
    table = ledger.pairs
    sources, targets = table.ends(slice(None))
    rows_ = zip(sources, targets, table.count, table.first, table.last, strict=True)
    for number, (source, target, count, start, end) in enumerate(rows_):
        total = sum(int(digit[number]) << (32 * n) for n, digit in enumerate(table.digits))
        assert given_.pop((names[source], names[target])) == [total, count, start, end]
        assert table.find(int(source), int(target)) == number
    assert not given_


@pytest.mark.slow
@given(rows, st.integers(1, 9), st.randoms())
def test_the_ledger_equals_a_simple_fold(
    found: list[TransferRow], part: int, chance: random.Random
) -> None:
    expected = folded(found)
    mixed = [*found, *found[:3]]
    chance.shuffle(mixed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "PART_ROWS", part)
        patch.setattr(pairs, "_SAMPLE", 2)
        ledger = replay(Transfers.of_rows(_same_logs(mixed, expected)), Parameters())
    require_fold(ledger, expected)


def _same_logs(mixed: list[TransferRow], unique: list[TransferRow]) -> list[TransferRow]:
    """Let the repetitions of a log say the same."""
    known = {(row.block, row.log_index, row.tx_hash): row for row in unique}
    return [known[row.block, row.log_index, row.tx_hash] for row in mixed]


@given(st.lists(st.tuples(amounts, amounts), max_size=30), st.integers(0, 8))
def test_balances_are_exact(found: list[tuple[int, int]], count: int) -> None:
    expected = [received - sent for received, sent in found]
    columns = [_column([pair[n] for pair in found]) for n in (0, 1)]
    balances = Balances.of(*columns).extended(2)
    assert list(balances) == [*expected, 0, 0]
    assert balances.total() == sum(expected)
    assert balances.total(balances.positive) == sum(each for each in expected if each > 0)
    assert [balances[n] for n in range(len(expected))] == expected
    held = [n for n, each in enumerate(expected) if each > 0]
    assert balances.largest(count) == sorted(held, key=lambda n: (-expected[n], n))[:count]
    rounded = balances.floats()[: len(expected)]
    assert np.allclose(rounded, [float(max(0, each)) for each in expected], rtol=1e-12)


def _column(values: list[int]) -> Column:
    digits = [[(value >> (32 * n)) & (2**32 - 1) for value in values] for n in range(8)]
    return np.array(digits, np.uint32).reshape(8, -1)


def test_an_address_book_numbers_addresses_and_others() -> None:
    chance = np.random.default_rng(3)
    known = chance.integers(0, 256, (5_000, 20), np.uint8)
    known[:, :8] = 0  # equal beginnings, as anybody can choose the recipient of a transfer
    book = AddressBook(known)
    assert book.numbers(list(book)) == list(range(5_000))
    others = ["0x" + "ab" * 20, "0x" + "00" * 20]
    longer = book.extended(others)
    assert book.numbers(others) == [None, None]
    assert longer.numbers([*others, book[7]]) == [5_000, 5_001, 7]
    assert [*longer][-2:] == others
    assert longer.by_address[others[1]] == 5_001
    assert "0x" + "cd" * 20 not in longer.by_address


def test_rows_of_a_transaction_follow_each_other() -> None:
    found = [
        TransferRow(block, index, hash_of(block * 10 + index // 3), NAMES[1], NAMES[2], 1)
        for block in range(1, 9)
        for index in range(7)
    ]
    transfers = Transfers.of_rows(found)
    ends = [*transfers.transaction_starts.tolist(), len(found)]
    assert [end - start for start, end in pairwise(ends)] == [3, 3, 1] * 8
