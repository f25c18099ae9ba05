"""Statistics, ledgers, charts and leaderboards, now and in the past, through the gateway."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.referrals import BoardLevel, BoardPlace, CloseDay
from tests.gateway.conftest import GatewayClient
from tests.gateway.environment import ALICE
from tests.gateway.test_referrals import BOB, LIMITS, account, client, events, refer

__all__ = ["client"]
DAY = 86_400
STATS, BOARD, LEDGER = "/v1/referral/stats", "/v1/leaderboard", "/v1/points/ledger"


@pytest.fixture
async def played(client: GatewayClient) -> GatewayClient:
    """Alice has referred Bob; Carol has referred no one."""
    assert await client.redis.exists(LIMITS)
    code = await account(client)
    await account(client, BOB)
    await account(client, "carol0bad")
    await refer(client, code)
    await client.bus.settle()  # Bob is credited
    return client


async def close_yesterday(client: GatewayClient, *levels: tuple[int, int], back: int = 1) -> str:
    """Close a past day as the service does; its tally is made up."""
    day = datetime.fromtimestamp(time.time() - back * DAY, UTC).date().isoformat()
    first = BoardPlace(member_id=ALICE, display_name="a***@e***.com", points=levels[0][0])
    command = CloseDay(
        board="all",
        day=day,
        levels=tuple(BoardLevel(points=points, members=n) for points, n in levels),
        first=(first,),
    )
    await client.bus.service("referrals").execute(command)
    return day


async def test_every_ledger_entry_names_its_cause(played: GatewayClient) -> None:
    alice = (await played.get(LEDGER, played.issuer.access())).json
    (entry,) = alice["items"]
    assert (alice["points"], entry["delta"], entry["reason"]) == (100, 100, "referral")
    stream, _, version = entry["cause"].partition("@")
    assert (await events(played, stream))[int(version) - 1].type == "ReferralConfirmed"
    bob = (await played.get(LEDGER, played.issuer.access(BOB))).json
    assert (bob["points"], bob["items"][0]["reason"]) == (10, "was_referred")


async def test_the_leaderboard_ranks_members_and_masks_names(played: GatewayClient) -> None:
    page = (await played.get(BOARD, played.issuer.access(BOB))).json
    rows = [(row["rank"], row["points"], row["isMe"]) for row in page["items"]]
    assert rows == [(1, 100, False), (2, 10, True), (3, 0, False)]
    assert page["me"] == page["items"][1]
    assert {row["displayName"][1:5] for row in page["items"]} == {"***@"}
    around = await played.get(f"{BOARD}?around=me&limit=1", played.issuer.access("carol0bad"))
    assert [row["rank"] for row in around.json["items"]] == [3]
    month = (await played.get(f"{BOARD}?period=month", played.issuer.access("carol0bad"))).json
    assert (month["total"], month["me"]) == (2, None)
    pages = await played.get(f"{BOARD}?limit=2", played.issuer.access())
    rest = await played.get(f"{BOARD}?limit=2&cursor={pages.json['next']}", played.issuer.access())
    assert [row["points"] for row in rest.json["items"]] == [0]
    assert rest.json["next"] is None
    assert rest.json["me"]["rank"] == 1


async def test_statistics_have_the_fields_that_front_ends_use(played: GatewayClient) -> None:
    response = await played.get(STATS, played.issuer.access())
    stats = response.json
    known = {
        "points", "pointsDifference", "rank", "totalRank", "rankDifference",
        "invited", "totalInvites", "inviteChart", "meta",
    }  # fmt: skip
    assert set(stats) == known
    assert (stats["points"], stats["pointsDifference"]) == (100, 100)
    assert (stats["rank"], stats["totalRank"], stats["rankDifference"]) == (1, 3, None)
    assert (stats["invited"], stats["totalInvites"], stats["meta"]["window"]) == (1, 10, "24h")
    points = stats["inviteChart"]["pointsChart"]
    assert (points["valueMin"], points["valueMax"]) == (0, 100)
    assert points["numDatapoints"] == len(points["data"])
    assert stats["inviteChart"]["rankChart"]["data"][-1]["value"] == 1


async def test_a_past_leaderboard_is_the_stored_one(played: GatewayClient) -> None:
    await backdate(played, ALICE)
    await close_yesterday(played, (300, 1), (0, 41))
    at = int(time.time())
    page = (await played.get(f"{BOARD}?at={at}", played.issuer.access())).json
    assert page["total"] == 42
    assert page["items"][0]["points"] == 300
    assert page["me"]["rank"] == 1
    stats = (await played.get(f"{STATS}?at={at}", played.issuer.access())).json
    # of yesterday's close: two hundred and more above nothing
    assert (stats["rank"], stats["totalRank"]) == (2, 42)
    missing = await played.get(f"{BOARD}?at={at - 9 * DAY}", played.issuer.access())
    assert (missing.status, missing.json["code"]) == (404, "day_not_closed")


NOVEMBER = int(datetime(2025, 11, 1, tzinfo=UTC).timestamp())


async def close(client: GatewayClient, board: str, day: str, points: int) -> None:
    levels = (BoardLevel(points=points, members=1),)
    first = (BoardPlace(member_id=BOB, display_name="b***@e***.com", points=points),)
    command = CloseDay(board=board, day=day, levels=levels, first=first)
    await client.bus.service("referrals").execute(command)


@pytest.mark.parametrize(
    ("at", "board", "points"),
    [
        (NOVEMBER - 1, "2025-10", 30),
        (NOVEMBER, "2025-10", 31),
        (NOVEMBER + 1, "2025-10", 31),
        (NOVEMBER + DAY - 1, "2025-10", 31),
        (NOVEMBER + DAY, "2025-11", 1),
    ],
)
async def test_the_last_day_of_a_months_board_can_be_shown(
    played: GatewayClient, at: int, board: str, points: int
) -> None:
    for of, day, value in (
        ("2025-10", "2025-10-30", 30), ("2025-10", "2025-10-31", 31), ("2025-11", "2025-11-01", 1)
    ):  # fmt: skip
        await close(played, of, day, value)
    page = await played.get(f"{BOARD}?period=month&at={at}", played.issuer.access())
    assert (page.status, page.json["board"]) == (200, board)
    assert page.json["items"][0]["points"] == points


async def test_months_that_have_ended_are_listed(played: GatewayClient) -> None:
    token = played.issuer.access()
    empty = await played.get(f"{BOARD}/months", token)
    assert empty.json == {"items": [], "next": None}
    days = ("2025-09-30", "2025-10-30", "2025-10-31", "2025-11-01", "2024-02-29")
    for day in days:
        await close(played, day[:7], day, 7)
        await close(played, "all", day, 9)
    months = (await played.get(f"{BOARD}/months", token)).json
    assert [row["board"] for row in months["items"]] == ["2025-10", "2025-09", "2024-02"]
    assert months["items"][0] == {"board": "2025-10", "at": NOVEMBER, "members": 1}
    for row in months["items"]:
        page = await played.get(f"{BOARD}?period=month&at={row['at']}", token)
        assert (page.json["board"], page.json["asOf"]) == (row["board"], row["at"])


async def test_a_rank_difference_compares_now_with_the_start_of_the_window(
    played: GatewayClient,
) -> None:
    await backdate(played, ALICE)
    await close_yesterday(played, (500, 6), (0, 3), back=2)
    stats = (await played.get(STATS, played.issuer.access())).json
    assert (stats["rank"], stats["rankDifference"]) == (1, 1 - 7)
    chart = await played.get(
        f"/v1/referral/chart?from={int(time.time()) - 3 * DAY}&series=rank", played.issuer.access()
    )
    assert [point["value"] for point in chart.json["rank"]["data"]] == [7]
    assert "points" not in chart.json


async def test_an_empty_chart_has_all_fields(played: GatewayClient) -> None:
    chart = await played.get(
        f"/v1/referral/chart?from={int(time.time()) - 9}", played.issuer.access()
    )
    assert chart.status == 200
    empty: dict[str, Any] = {
        "numDatapoints": 0, "timestampMin": None, "timestampMax": None,
        "valueMin": None, "valueMax": None, "data": [],
    }  # fmt: skip
    assert chart.json == {"points": empty, "rank": empty}


async def backdate(client: GatewayClient, sub: str) -> None:
    """Let the account look a month old."""
    keys = await client.redis.keys(f"*{{ledger:*member-{sub}*")
    (key,) = [key for key in keys if b":by:" not in key]
    stored: Any = await client.redis.hget(key, "d")
    now = stored.partition(b'"since":')[2].partition(b",")[0]
    then = str(int(time.time()) - 30 * DAY).encode()
    await client.redis.hset(key, "d", stored.replace(b'"since":' + now, b'"since":' + then))


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        (f"{STATS}?window=2d", 422, "window"),
        (f"{STATS}?at=9999999999", 422, "at"),
        (f"{STATS}?at=1000", 404, "account"),
        (f"{BOARD}?limit=0", 422, "limit"),
        (f"{BOARD}?limit=101", 422, "limit"),
        (f"{BOARD}?around=you", 422, "around"),
        (f"{BOARD}?around=me&at=1790000000", 422, "around"),
        (f"{BOARD}?period=week", 422, "period"),
        ("/v1/referral/chart", 422, "from"),
        ("/v1/referral/chart?from=0", 400, "step"),
        ("/v1/referral/chart?from=1790000000&series=fame", 400, "series"),
        ("/v1/referral/chart?from=9000000000", 422, "from"),
        ("/v1/referral/chart?from=1790000000&to=1780000000", 400, "from"),
        (f"{LEDGER}?cursor=x", 422, "cursor"),
    ],
)
async def test_invalid_queries_are_rejected_with_the_name_of_the_parameter(
    path: str, status: int, word: str, client: GatewayClient
) -> None:
    await account(client)
    response = await client.get(path, client.issuer.access())
    assert response.status == status, response.body
    assert word in response.json["detail"]


async def test_a_caller_without_an_account_has_no_points(client: GatewayClient) -> None:
    for path in (STATS, LEDGER, "/v1/referral/codes"):
        response = await client.get(path, client.issuer.access())
        assert (response.status, response.json["code"]) == (404, "no_account")
    assert (await client.get(BOARD, client.issuer.access())).json["items"] == []
