"""A year of charts does not hold up other requests, and costs as much as it takes."""

import asyncio
import threading
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from contracts.points import InviteStatsResponse, LedgerEntry, PointsView
from contracts.ranking import ALL_TIME, DAY, Period, Position, invite_stats
from contracts.referrals import BoardLevel, BoardPlace, DayClosed
from gateway.api import charts
from gateway.api.charts import points_chart, rank_chart, statistics
from gateway.api.closed_days import SLICE, ClosedDays
from tests.gateway.conftest import Gateways

YEAR = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]


class StoredDays:
    """Read models in which every day is closed, with as many levels as a large board has."""

    def __init__(self) -> None:
        self.loads: list[int] = []
        close = DayClosed(
            board="all",
            day="2026-01-01",
            levels=tuple(BoardLevel(points=400 - n, members=1) for n in range(400)),
            first=tuple(
                BoardPlace(member_id=f"m-{n}", display_name="a***@e***.com", points=400 - n)
                for n in range(100)
            ),
            members=400,
            closed_at=1_767_225_600,
        )
        self.text = close.model_dump_json()

    async def entries(self, _ref: Any, keys: Sequence[str]) -> list[str]:
        self.loads.append(len(keys))
        return [self.text] * len(keys)


async def turns_during(work: Any) -> tuple[int, Any]:
    """Return how often another task ran while this work was done, and its result."""
    turns, task = 0, asyncio.create_task(work)
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return turns, task.result()


@pytest.fixture
def view() -> PointsView:
    entry = LedgerEntry(
        delta=1,
        state="confirmed",
        reason="referral",
        cause="member-a@1",
        use_id="use",
        at=1,
        settled_at=1,
        rules_version=1,
    )
    return PointsView(member_id="a", since=1, points=4_000, entries=(entry,) * 4_000)


async def test_other_tasks_run_between_the_days_of_a_points_chart(view: PointsView) -> None:
    turns, chart = await turns_during(points_chart(view, YEAR))
    assert chart.num_datapoints == len(YEAR)
    assert turns >= len(YEAR)


async def test_other_tasks_run_between_the_days_of_a_rank_chart(view: PointsView) -> None:
    stored: Any = StoredDays()
    turns, chart = await turns_during(rank_chart(view, ClosedDays(stored), YEAR))
    assert chart.num_datapoints == len(YEAR)
    assert turns >= len(YEAR)
    assert max(stored.loads) == SLICE
    assert sum(stored.loads) == len(YEAR)


@pytest.mark.parametrize(("entries", "in_thread"), [(10, False), (4_000, True)])
async def test_a_long_ledger_is_added_up_in_a_thread(
    entries: int, view: PointsView, monkeypatch: pytest.MonkeyPatch, *, in_thread: bool
) -> None:
    threads: list[bool] = []

    def added(*given: Any) -> InviteStatsResponse:
        threads.append(threading.current_thread() is not threading.main_thread())
        return invite_stats(*given)

    monkeypatch.setattr(charts, "invite_stats", added)
    ledger = view.model_copy(update={"entries": view.entries[:entries]})
    period = Period("30d", int(time.time()))
    stats = await statistics(ledger, {}, period, Position(1, 3))
    assert (stats.points, threads) == (entries, [in_thread])


async def test_the_days_of_a_chart_are_loaded_in_their_order() -> None:
    stored: Any = StoredDays()
    closes = await ClosedDays(stored).load(ALL_TIME, YEAR[:40])
    assert list(closes) == YEAR[:40]
    assert stored.loads == [16, 16, 8]


@pytest.mark.parametrize(("days", "left"), [(20, 119), (59, 118), (365, 107)])
async def test_a_longer_chart_takes_more_tokens(days: int, left: int, gateways: Gateways) -> None:
    client = await gateways.open()
    await client.post("/v1/me", client.issuer.id())
    start = int(time.time()) - days * DAY
    chart = await client.get(f"/v1/referral/chart?from={start}", client.issuer.access())
    assert chart.status == 200
    assert chart.headers["RateLimit"].startswith(f'"reads";r={left};')


async def test_a_caller_who_has_spent_the_limit_gets_no_chart(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "reads", "15/3600")
    client = await gateways.open()
    await client.post("/v1/me", client.issuer.id())
    path = f"/v1/referral/chart?from={int(time.time()) - 365 * DAY}"
    assert (await client.get(path, client.issuer.access())).status == 200
    rejected = await client.get(path, client.issuer.access())
    assert (rejected.status, rejected.json["violated-policies"]) == (429, ["reads"])
