"""The service on long streams, and on a Redis that holds read models of an earlier version."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.log.event_store import Origin
from chassis.views.inspection import Inspection
from chassis.views.keys import control_key
from chassis.views.lists import Lists
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.referrals import (
    ALL_REFERRALS,
    REFERRALS,
    SERVICE,
    ReferralExpired,
    ReferralReserved,
    ReserveReferral,
)
from referrals.domain import STORED_STATE
from tests.referrals.examples import DECIDER, IDS
from tests.referrals.service import ReferralsService, referrals_service
from tests.support.scenario import NOON

PAST = 150
STREAM = "member-alice"


@pytest.fixture
async def service(redis: Any) -> AsyncIterator[ReferralsService]:
    async with referrals_service(redis, float(NOON.at)) as service:
        yield service


async def append_past_referrals(service: ReferralsService, code: str) -> None:
    """Append reservations that expired two days ago, one commit each."""
    head = await service.store.head(STREAM)
    for number in range(PAST):
        use = IDS.use_id("alice", f"p{number}@example.com")
        at = NOON.at - 2 * 86_400
        events = [
            ReferralReserved(
                member_id="alice",
                use_id=use,
                code=code,
                invited_user=f"p{number}@example.com",
                reserved_at=at,
                expires_at=at + 9,
            ),
            ReferralExpired(member_id="alice", use_id=use, expired_at=at + 9),
        ]
        origin = Origin(
            command_id=f"c{number}", body_hash="", correlation_id="", at=at * 1000, actor="test"
        )
        head = (await service.store.append(head, events, origin)).head


async def test_a_long_stream_has_a_snapshot_from_which_the_same_state_follows(
    service: ReferralsService,
) -> None:
    code = await service.open("alice")
    await append_past_referrals(service, code)
    for name in ("bob", "carol"):
        address = f"{name}@example.com"
        await service.do(ReserveReferral(member_id="alice", code=code, invited_user=address))
    snapshot = await service.store.snapshot(STREAM)
    assert snapshot is not None
    events = (await service.store.load(STREAM)).as_of(version=snapshot.version).events
    assert STORED_STATE.validate_json(snapshot.state) == DECIDER.fold(events)
    page = await Lists(service.models, REFERRALS).page(STREAM, ALL_REFERRALS, limit=2)
    assert page.total == PAST + 2
    assert [row.view.state for row in page.items] == ["reserved", "reserved"]


async def test_read_models_of_an_earlier_version_are_left_alone(service: ReferralsService) -> None:
    await service.open("alice")
    await service.redis.hset(control_key(SERVICE), mapping={"uses": "1.1", "points": "1.1"})
    await ReadModelWatcher(service.projector).rebuild_needed()
    code = await service.open("carol")
    assert code
    inspection = Inspection(service.projector)
    for name, generation in (await inspection.served()).items():
        assert (await inspection.verify(name, generation)).matches, name
