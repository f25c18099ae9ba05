"""The tables of costs on the page about AWS are those that the counts and the stacks give."""

import pytest

from benchmarks import prices
from benchmarks.costs import PAGE, UNITS, idle, per_million, stored_counts, tables
from benchmarks.prices import Price
from deploy.folders import service_names


def test_the_page_has_the_tables_that_are_computed() -> None:
    assert f"\n{tables(stored_counts())}\n" in PAGE.read_text(), "make bench prints the tables"
    assert f"`{prices.REGION}` as of {prices.AS_OF}" in PAGE.read_text()


def test_every_price_names_the_page_that_states_it() -> None:
    named = [each for each in vars(prices).values() if isinstance(each, Price)]
    assert len(named) > len(UNITS)
    for price in (*named, *prices.CACHE_NODES.values()):
        assert price.page.startswith("https://aws.amazon.com/")
        assert price.dollars > 0


def test_a_million_costs_the_sum_of_its_units() -> None:
    ((_, used, dollars),) = per_million({"x": {"write units": 4, "FIFO requests": 0.5}})
    assert used == "4 write units, 0.5 FIFO requests"
    assert dollars == pytest.approx(4 * 0.625 + 0.5 * 0.50)


def test_the_idle_system_has_a_task_of_each_service() -> None:
    rows = {what: dollars for what, _, dollars in idle()}
    assert {f"tasks of {service}" for service in service_names()} <= set(rows)
    assert all(dollars > 0 for dollars in rows.values())
