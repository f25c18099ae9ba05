"""Profile, ledger, events and leaderboard never disagree about a member's points and rank."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

import pytest

from chassis.views.boards import Boards
from chassis.views.change import Target
from chassis.views.lists import Lists
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.run import Rebuilder
from contracts.points import LEADERBOARD
from contracts.ranking import ALL_TIME
from gateway.api import ledgers, own_ranks
from gateway.http import own_documents
from tests.gateway.conftest import GatewayClient
from tests.gateway.environment import ALICE
from tests.gateway.test_own_events import follow
from tests.gateway.test_referrals import BOB, account, admin, client, refer
from tests.support.eventually import eventually

__all__ = ["client"]
STATS, BOARD, LEDGER = "/v1/referral/stats", "/v1/leaderboard", "/v1/points/ledger"
MEMBERS = (ALICE, BOB, "carol0bad")
READS = (
    STATS,
    f"{STATS}?window=30d",
    LEDGER,
    BOARD,
    f"{BOARD}?around=me&limit=1",
    f"{BOARD}?period=month&around=me",
)
REFERRALS_EACH = 8


class Findings:
    """Collect what reads said at each position; two values at one position are a contradiction."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], set[Any]] = defaultdict(set)
        self.reads = 0

    def add(self, path: str, body: dict[str, Any]) -> None:
        self.reads += 1
        if path.startswith(STATS):
            self._points(body["meta"]["position"], body["points"])
            self._rank(body["meta"]["position"], body["meta"]["boardPosition"], body["rank"])
        elif path == LEDGER:
            self._points(body["position"], body["points"])
            self._points(body["position"], sum(_counted(body["items"])))
        elif (me := body["me"]) is not None:
            self._points(body["position"], me["points"])
            if body["board"] == ALL_TIME:
                self._rank(body["position"], body["boardPosition"], me["rank"])
            for row in body["items"]:
                assert not row["isMe"] or row == me

    @property
    def contradictions(self) -> dict[tuple[str, str], set[Any]]:
        return {position: found for position, found in self.values.items() if len(found) > 1}

    def _points(self, position: str, points: int) -> None:
        self.values["points", position].add(points)

    def _rank(self, position: str, board_position: str | None, rank: int | None) -> None:
        if board_position is not None:
            member, _, _ = position.rpartition("@")
            self.values["rank", f"{member} {board_position}"].add(rank)


def _counted(entries: Iterable[dict[str, Any]]) -> Iterable[int]:
    return (entry["delta"] for entry in entries if entry["state"] == "confirmed")


async def earn(client: GatewayClient, member: str, code: str) -> None:
    """Gain points by referring people, and lose some again."""
    for number in range(REFERRALS_EACH):
        person = f"{member[:4]}{number:x}{member[-4:]}"
        token = client.issuer.id(person, email=f"{person}@example.com")
        await client.post("/v1/me", token)
        body = {"referralCode": code, "user": f"{person}@example.com"}
        use_id = (await client.post("/v1/referral/uses", json=body)).json["useId"]
        await client.post(f"/v1/referral/uses/{use_id}/confirm", token, json={})
        if number % 3 == 2:
            path = f"/v1/admin/uses/{use_id}/reverse"
            reversed_ = await client.post(path, admin(client), json={"reason": "a test"})
            assert reversed_.status == 204, reversed_.body


async def read(client: GatewayClient, member: str, found: Findings, ended: asyncio.Event) -> None:
    """Read all that shows the member's points; each read waits for what the last one showed."""
    token, position = client.issuer.access(member), ""
    while not ended.is_set():
        for path in READS:
            headers = {"X-Min-Position": position} if position else {}
            reply = await client.get(path, token, headers=headers)
            assert reply.status == 200, reply.body
            found.add(path, reply.json)
            latest = reply.headers["X-Position"]
            assert version(latest) >= version(position)
            position = latest


def version(position: str) -> int:
    return int(position.rpartition("@")[2] or 0)


async def rebuild(client: GatewayClient, ended: asyncio.Event) -> int:
    """Rebuild ledger and leaderboard again and again; return how often."""
    projector = client.bus.service("referrals").projector
    times = 0
    while not ended.is_set():
        for name in ("leaderboard", "ledger"):
            await Rebuilder(projector).rebuild(name)
        times += 1
    return times


async def count_reads_only(client: GatewayClient) -> None:
    await client.redis.hset("gateway:limits", "reads", "1/60;shadow")

    async def known() -> bool:
        return client.gateway.dependencies.limiter.table["reads"].shadow

    await eventually(known)


async def test_equal_positions_have_equal_points_and_ranks_under_load(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_PAGE", 2)  # ledgers change between two pages
    await count_reads_only(client)
    codes = {member: await account(client, member) for member in MEMBERS}
    found, ended = Findings(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:  # of which none is left behind if one fails
        for member in MEMBERS * 2:
            tasks.create_task(read(client, member, found, ended))
        rebuilding = tasks.create_task(rebuild(client, ended))
        earning = [tasks.create_task(earn(client, *each)) for each in codes.items()]
        await asyncio.wait(earning)
        ended.set()
    assert rebuilding.result() > 0
    assert found.reads > len(MEMBERS) * REFERRALS_EACH
    assert found.contradictions == {}
    states = {member: {key for key in found.values if member in key[1]} for member in MEMBERS}
    assert all(len(each) > 2 for each in states.values()), "no change was seen"


@asynccontextmanager
async def lagging(client: GatewayClient, name: str) -> AsyncIterator[None]:
    """Leave changes out of one read model until the end of the block."""
    projector, find = client.bus.service("referrals").projector, Projector.target

    def target(self: Projector[Any], each: str, generation: int) -> Target[Any] | None:
        return None if self is projector and each == name else find(self, each, generation)

    with mock.patch.object(Projector, "target", target):
        yield
    for member in (ALICE, BOB):
        await projector.project(await client.bus.stores["referrals"].load(f"member-{member}"))


async def watched(client: GatewayClient) -> bool:
    return client.gateway.dependencies.changes.watched > 0


async def started(client: GatewayClient) -> str:
    """Return the code of a member who has not referred anyone."""
    code = await account(client)
    await account(client, BOB)
    return code


@pytest.mark.parametrize("name", ["leaderboard", "ledger"])
async def test_statistics_wait_until_ledger_and_leaderboard_agree(
    name: str, client: GatewayClient
) -> None:
    code = await started(client)
    async with lagging(client, name):
        await refer(client, code)
        await client.bus.settle()
        reading = asyncio.create_task(client.get(STATS, client.issuer.access()))
        await eventually(lambda: watched(client))
    stats = (await reading).json
    assert (stats["points"], stats["rank"]) == (100, 1)
    board = (await client.get(BOARD, client.issuer.access())).json
    assert (board["me"]["points"], board["me"]["rank"]) == (100, 1)
    assert stats["meta"]["position"] == board["position"]
    assert stats["meta"]["boardPosition"] == board["boardPosition"]


async def test_a_rank_that_does_not_belong_to_the_points_is_not_shown(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ranks, "AGREE_SECONDS", 0.01)
    code = await started(client)
    async with lagging(client, "leaderboard"):
        await refer(client, code)
        stats = (await client.get(STATS, client.issuer.access())).json
        assert (stats["points"], stats["rank"], stats["totalRank"]) == (100, None, None)
        assert stats["meta"]["boardPosition"] is None
        assert stats["inviteChart"]["rankChart"]["data"] == []
        board = (await client.get(BOARD, client.issuer.access())).json
        assert board["me"]["points"] == 0
        assert version(board["position"]) < version(stats["meta"]["position"])
        following = await follow(client, "/v1/me/events?topics=points,rank")
        event, shown = await following.next()
        assert (event, shown["points"], shown["rank"]) == ("points", 100, None)
    await client.post("/v1/referral/codes", client.issuer.access(), json={})  # wakes the stream
    complete = await following.until("points", lambda shown: shown["rank"] is not None)
    assert (complete["points"], complete["rank"]) == (100, 1)
    following.response.close()


async def test_a_leaderboard_waits_for_the_position_of_the_profile(client: GatewayClient) -> None:
    code = await started(client)
    async with lagging(client, "leaderboard"):
        await refer(client, code)
        ledger = await client.get(LEDGER, client.issuer.access())
        wanted = {"X-Min-Position": ledger.headers["X-Position"]}
        reading = asyncio.create_task(client.get(BOARD, client.issuer.access(), headers=wanted))
        await eventually(lambda: watched(client))
    board = await reading
    assert board.headers["X-Position"] == board.json["position"] == ledger.json["position"]
    assert board.json["me"]["points"] == ledger.json["points"] == 100


async def test_a_leaderboard_that_does_not_reach_the_position_responds_503(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_documents, "WAIT_SECONDS", 0.01)
    code = await started(client)
    async with lagging(client, "leaderboard"):
        await refer(client, code)
        ledger = await client.get(LEDGER, client.issuer.access())
        wanted = {"X-Min-Position": ledger.headers["X-Position"]}
        board = await client.get(f"{BOARD}?around=me", client.issuer.access(), headers=wanted)
        assert (board.status, board.json["code"]) == (503, "position_not_reached")


async def test_points_count_also_if_the_clock_of_the_service_is_ahead(
    client: GatewayClient,
) -> None:
    code = await started(client)
    client.bus.services.clock = time.time() + 60
    await refer(client, code)
    await client.bus.settle()
    for member in (ALICE, BOB):
        token = client.issuer.access(member)
        stats, board = await client.get(STATS, token), await client.get(BOARD, token)
        assert stats.json["meta"]["position"] == board.json["position"]
        assert stats.json["points"] == board.json["me"]["points"] > 0
        assert stats.json["inviteChart"]["pointsChart"]["data"][-1]["value"] > 0


async def test_a_rebuilt_leaderboard_has_a_later_position(client: GatewayClient) -> None:
    await started(client)
    boards = Boards(ReadModels(client.redis), LEADERBOARD)
    before = await boards.page(ALL_TIME)
    await Rebuilder(client.bus.service("referrals").projector).rebuild("leaderboard")
    boards = Boards(ReadModels(client.redis), LEADERBOARD)
    after = await boards.page(ALL_TIME)
    assert after.position > before.position
    assert after.position.changes > 0


async def test_a_ledger_that_changes_between_two_pages_is_read_again(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_PAGE", 1)
    code = await started(client)
    body = {"referralCode": code, "user": "mallory@mailinator.com"}
    use_id = (await client.post("/v1/referral/uses", json=body)).json["useId"]
    mallory = client.issuer.id("mallory", email="mallory@mailinator.com")
    held = await client.post(f"/v1/referral/uses/{use_id}/confirm", mallory, json={})
    assert held.json == {"state": "held"}
    await refer(client, code)
    read_page, decided = Lists.page, False

    async def approve_after_the_first_page(*given: Any, **options: Any) -> Any:
        nonlocal decided
        page = await read_page(*given, **options)
        if not decided:
            decided = True
            path = f"/v1/admin/cases/{use_id}/approve"
            approved = await client.post(path, admin(client), json={"reason": "a test"})
            assert approved.status == 204
        return page

    monkeypatch.setattr(Lists, "page", approve_after_the_first_page)
    stats = (await client.get(STATS, client.issuer.access())).json
    board = (await client.get(BOARD, client.issuer.access())).json
    assert stats["meta"]["position"] == board["position"]
    assert (stats["points"], board["me"]["points"]) == (200, 200)
