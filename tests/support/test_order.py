"""Long files of tests run first."""

import pytest

from tests.support.order import LONGEST, TESTS, rank


@pytest.mark.parametrize("file", LONGEST)
def test_a_file_that_runs_early_exists(file: str) -> None:
    assert (TESTS / file).is_file()


def test_long_files_run_before_all_others() -> None:
    ranks = [rank(TESTS / file) for file in LONGEST]
    assert ranks == sorted(set(ranks))
    assert rank(TESTS / "compute" / "test_worlds.py") > ranks[-1]
