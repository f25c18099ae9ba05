"""The service on long streams, and on a Redis that holds read models of an earlier version."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from chassis.decide.decider import Decider
from chassis.log.event_store import Origin
from chassis.views.change import build_change
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


async def append_past_referrals(service: ReferralsService, code: str, uses: int = PAST) -> None:
    """Append reservations that expired two days ago, one commit each."""
    head = await service.store.head(STREAM)
    for number in range(uses):
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


async def test_a_reservation_with_8000_past_uses_decodes_and_folds_few_events(
    service: ReferralsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It delays commands of other members by as much as one on a short stream."""
    code = await service.open("alice")
    await append_past_referrals(service, code, uses=8_000)

    async def reserve(name: str) -> None:
        address = f"{name}@example.com"
        await service.do(ReserveReferral(member_id="alice", code=code, invited_user=address))

    await reserve("bob")  # the state is folded and stored once
    work = Counter[str]()
    decode, fold, build = service.store.codec.decode, Decider.fold, build_change

    def decoding(*stored: Any) -> Any:
        work["decoded"] += len(events := decode(*stored))
        return events

    def folding(self: Any, events: Sequence[Any], *state: Any) -> Any:
        work["folded"] += len(events)
        return fold(self, events, *state)

    def building(target: Any, history: Any, *stored: Any) -> Any:
        work["projected"] += history.size
        return build(target, history, *stored)

    monkeypatch.setattr(service.store.codec, "decode", decoding)
    monkeypatch.setattr(Decider, "fold", folding)
    monkeypatch.setattr("chassis.views.projector.build_change", building)
    await reserve("carol")
    assert work["decoded"] <= 2 * 102
    assert work["folded"] <= 10
    assert work["projected"] == len(service.projector.models)


async def test_read_models_of_an_earlier_version_are_left_alone(service: ReferralsService) -> None:
    await service.open("alice")
    await service.redis.hset(control_key(SERVICE), mapping={"uses": "1.1", "points": "1.1"})
    await ReadModelWatcher(service.projector).rebuild_needed()
    code = await service.open("carol")
    assert code
    inspection = Inspection(service.projector)
    for name, generation in (await inspection.served()).items():
        assert (await inspection.verify(name, generation)).matches, name
