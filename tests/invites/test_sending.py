"""From a wish to a mail, whatever comes between; and what the mail system tells of it."""

import asyncio
import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from faststream.exceptions import RejectMessage

from chassis.bus.commands import CommandSender
from chassis.views.boards import Boards
from chassis.views.inspection import Inspection
from contracts.invites import (
    INVITE_TOKENS,
    INVITES,
    AcceptInvite,
    InviteView,
    ResendInvite,
    RevokeInvite,
    SendingStarted,
    SendInvite,
    Unsubscribe,
)
from contracts.referrals import AccountOpened, use_id
from contracts.tokens import token_digest
from invites.app import _client
from invites.clock import Clock
from invites.feedback import NoFeedback, read
from invites.handlers import UnknownMail, keep, reactions
from invites.sender import SES, NotNow, Pace, Refused
from tests.invites.world import Service

DAY = 86_400


@pytest.fixture
async def service(redis: Any) -> Service:
    return await Service(redis).start()


pytestmark = pytest.mark.stack


async def view(service: Service, invite_id: str) -> InviteView:
    boards = Boards(service.models, INVITES)
    entry = await boards.entry(f"invite-{invite_id}")
    assert entry is not None
    return InviteView.model_validate_json(entry)


def told(invite_id: str | None, name: str = "Bounce", **details: Any) -> bytes:
    mail: dict[str, Any] = {"messageId": "m-1", "timestamp": "2026-11-24T12:00:00.000Z"}
    if invite_id is not None:
        mail["tags"] = {"invite": [invite_id]}
    message = {"eventType": name, "mail": mail, name.lower(): {"feedbackId": "f-1"} | details}
    return json.dumps({"Type": "Notification", "Message": json.dumps(message)}).encode()


async def hear(service: Service, body: bytes) -> None:
    feedback = read(body)
    assert feedback is not None
    application: Any = service
    await keep(application, service.models, feedback)
    await service.settle()


async def test_a_wish_becomes_a_mail_with_a_token_that_is_nowhere_else(service: Service) -> None:
    invite_id = await service.invite(note="See you!", name="Alice")
    assert await service.types(invite_id) == ["InviteRequested", "SendingStarted", "InviteSent"]
    (mail,) = service.inbox.mails
    assert mail["To"] == "bob@example.org"
    assert service.inbox.tags == [{"invite": invite_id, "mail": "1"}]
    token = service.inbox.token()
    assert await service.models.entry(INVITE_TOKENS, token_digest(token)) == f"invite-{invite_id}"
    for stream in service.store.streams:
        for event in (await service.store.load(stream)).events:
            assert token not in event.model_dump_json()
            assert service.inbox.unsubscribe_token() not in event.model_dump_json()
    assert (await view(service, invite_id)).state == "sent"


async def test_word_that_comes_thrice_sends_one_mail(service: Service) -> None:
    await service.invite("nobody@example.org")
    await service.carry_out(SendInvite(inviter_id="alice", email="bob@example.org"))
    await service.settle(times=3)
    assert [mail["To"] for mail in service.inbox.mails] == [
        "nobody@example.org",
        "bob@example.org",
    ]


async def test_throttling_waits_in_the_log_and_is_tried_again(service: Service) -> None:
    service.inbox.plan = [NotNow("Throttling"), NotNow("Throttling")]
    invite_id = await service.invite()
    assert service.inbox.mails == []
    assert (await view(service, invite_id)).due_at == pytest.approx(service.at + 30, abs=9)
    await service.tend(invite_id)  # too early
    assert service.inbox.asked == 1
    for wait in (40, 80):
        service.at += wait
        await service.tend(invite_id)
    assert len(service.inbox.mails) == 1
    types = await service.types(invite_id)
    assert types.count("SendingPostponed") == 2
    started = list((await service.store.load(f"invite-{invite_id}")).events)
    assert not any(isinstance(e, SendingStarted) and e.again for e in started)


async def test_a_call_without_an_answer_is_counted_when_it_is_repeated(service: Service) -> None:
    service.inbox.plan = [ReadTimeoutError(endpoint_url="ses")]
    invite_id = await service.invite()
    await service.tend(invite_id)
    assert service.inbox.asked == 1
    service.at += 121
    await service.tend(invite_id)
    events = (await service.store.load(f"invite-{invite_id}")).events
    assert [e.again for e in events if isinstance(e, SendingStarted)] == [False, True]
    assert len(service.inbox.mails) == 1


async def test_what_is_refused_for_good_is_told_to_the_inviter(service: Service) -> None:
    service.inbox.plan = [Refused("MessageRejected")]
    invite_id = await service.invite()
    assert (await view(service, invite_id)).state == "failed"
    service.at += 10_000
    await service.tend(invite_id)
    assert service.inbox.asked == 1


async def test_a_permanent_bounce_ends_all_mail_to_the_address(service: Service) -> None:
    first = await service.invite()
    body = told(first, bounceType="Permanent", timestamp="2026-11-24T12:00:01.000Z")
    for _ in range(3):
        await hear(service, body)
    assert (await service.types(first)).count("InviteBounced") == 1
    assert (await view(service, first)).state == "bounced"
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    second = await service.invite()
    assert second != first
    assert await service.types(second) == ["InviteRequested", "MailWithheld"]
    assert len(service.inbox.mails) == 1
    shown = await view(service, second)
    assert shown.state == "sent"  # what the inviter sees of any other
    assert [line.what for line in shown.timeline] == ["requested", "sent"]


async def test_a_full_mailbox_suppresses_nobody(service: Service) -> None:
    first = await service.invite()
    await hear(service, told(first, bounceType="Transient"))
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    await service.invite()
    assert len(service.inbox.mails) == 2


async def test_feedback_without_a_tag_is_found_by_the_message(service: Service) -> None:
    first = await service.invite()
    await hear(service, told(None, "Complaint"))
    assert "InviteComplained" in await service.types(first)
    assert (await view(service, first)).state == "sent"  # nobody is told who complained


async def test_feedback_may_come_before_the_result_and_backwards(service: Service) -> None:
    service.inbox.plan = [ReadTimeoutError(endpoint_url="ses")]
    first = await service.invite()
    await hear(service, told(first, "Complaint"))
    await hear(service, told(first, "Delivery", feedbackId=None))
    assert (await view(service, first)).state == "delivered"


async def test_whoever_unsubscribes_gets_no_reminder_and_no_other_invitation(
    service: Service,
) -> None:
    first = await service.invite()
    wish = Unsubscribe(invite_id=first, token_hash=token_digest(service.inbox.unsubscribe_token()))
    await service.do(wish)
    service.at += 4 * DAY
    await service.tend(first)
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    await service.invite()
    assert len(service.inbox.mails) == 1


async def test_a_member_gets_no_mail_and_nobody_is_told(service: Service) -> None:
    opened = AccountOpened(
        member_id="bob", email="bob@example.org", total_referrals=10, opened_at=1
    )
    for command in reactions(opened, service.parts.tokens):
        await service.do(command)
    invite_id = await service.invite()
    assert service.inbox.asked == 0
    assert (await view(service, invite_id)).state == "sent"


async def test_one_reminder_and_then_the_end(service: Service) -> None:
    invite_id = await service.invite()
    token = service.inbox.token()
    for _ in range(20):
        service.at += DAY
        await service.tend(invite_id)
    assert len(service.inbox.mails) == 2
    assert service.inbox.mails[1]["Subject"].startswith("A reminder")
    assert service.inbox.token() == token
    shown = await view(service, invite_id)
    assert (shown.state, shown.due_at) == ("expired", None)
    inviter = (await service.store.load("inviter-alice")).events[-1]
    assert inviter.type == "InviteClosed"


async def test_a_resent_mail_has_the_only_token_that_is_good(service: Service) -> None:
    invite_id = await service.invite()
    old = service.inbox.token()
    service.at += DAY + 1
    await service.do(ResendInvite(invite_id=invite_id, inviter_id="alice"))
    new = service.inbox.token()
    assert new != old
    gone = await service.do(AcceptInvite(invite_id=invite_id, token_hash=token_digest(old)))
    assert gone.rejection is not None
    assert gone.rejection.kind == "gone"
    good = await service.do(AcceptInvite(invite_id=invite_id, token_hash=token_digest(new)))
    assert good.state == "accepted"


async def test_an_accepted_one_asks_for_a_seat_over_the_bus(service: Service) -> None:
    invite_id = await service.invite()
    wish = AcceptInvite(invite_id=invite_id, token_hash=token_digest(service.inbox.token()))
    await service.carry_out(wish)
    await service.settle(times=3)  # redelivered until it is done
    assert {queue for queue, _, _ in service.sent} == {"test-referrals-commands.fifo"}
    assert len({command_id for _, _, command_id in service.sent}) == 1
    (body, *_) = [body for _, body, _ in service.sent]
    assert (body["memberId"], body["code"]) == ("alice", "MVA00W4CZS")
    assert body["invitedUser"] == "bob@example.org"
    assert use_id("alice", body["code"], body["invitedUser"])
    closed = (await service.store.load("inviter-alice")).events[-1]
    assert closed.type == "InviteClosed"


async def test_the_clock_tells_what_is_due(service: Service) -> None:
    service.inbox.plan = [NotNow("Throttling")]
    invite_id = await service.invite()
    sender = CommandSender(service, "test")
    clock = Clock(Boards(service.models, INVITES), sender, 1)
    assert await clock.tend(service.at) == 0
    assert await clock.tend(service.at + 60) == 1
    ((_, body, _),) = service.sent
    assert body["inviteId"] == invite_id


async def test_mails_of_a_second_are_counted_over_all_instances(redis: Any) -> None:
    now = [1_000.0]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    paces = [Pace(redis, 2, clock=lambda: now[0], sleep=sleep) for _ in range(3)]
    for turn in range(12):
        await paces[turn % 3].wait()
    assert now[0] == 1_005.0
    assert len(slept) == 5


@pytest.mark.parametrize(
    ("share", "account", "rate"), [(0.9, 14, 10), (0.5, 14, 7), (0, 14, 10), (0.9, 1, 0.9)]
)
def test_the_accounts_own_rate_is_not_gone_above(share: float, account: float, rate: float) -> None:
    pace = Pace(None, 10, share=share)
    pace.heed(account)
    assert pace.rate == pytest.approx(rate)


async def test_the_account_is_asked_how_fast_it_may_send(
    aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": aws,
        "AWS_REGION": "eu-west-2",
        "AWS_DEFAULT_REGION": "eu-west-2",
        "AWS_ACCESS_KEY_ID": "444444444444",
        "AWS_SECRET_ACCESS_KEY": "local",
    }.items():
        monkeypatch.setenv(name, value)
    told: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    ses = SES(_client, "hello@vouch.example", "", told.set_result)
    running = asyncio.create_task(ses.run())
    assert await asyncio.wait_for(told, 10) > 0
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_feedback_of_a_mail_that_is_not_known_yet_comes_again(service: Service) -> None:
    told_early = b"""{"notificationType": "Complaint", "mail": {"messageId": "early", "timestamp":
        "2026-11-01T12:00:00Z"}, "complaint": {"feedbackId": "f", "timestamp":
        "2026-11-01T12:00:00Z"}}"""
    with pytest.raises(UnknownMail):
        await hear(service, told_early)


async def test_feedback_whose_tag_names_no_invitation_is_a_dead_letter(service: Service) -> None:
    wrong = b"""{"notificationType": "Complaint", "mail": {"messageId": "m", "tags": {"invite":
        ["no such\\nname"]}, "timestamp": "2026-11-01T12:00:00Z"}, "complaint": {"feedbackId": "f",
        "timestamp": "2026-11-01T12:00:00Z"}}"""
    with pytest.raises(RejectMessage):
        await hear(service, wrong)


async def test_read_models_are_what_the_log_says(service: Service) -> None:
    first = await service.invite()
    await hear(service, told(first, bounceType="Permanent"))
    await service.do(AcceptInvite(invite_id=first, token_hash=token_digest(service.inbox.token())))
    inspection = Inspection(service.projector)
    for name, generation in (await inspection.served()).items():
        assert (await inspection.verify(name, generation)).matches, name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"eventType":"Bounce"}',
        b'{"eventType":"Bounce","mail":{"messageId":"m"},"bounce":{"timestamp":"soon"}}',
        b'{"notificationType":"Delivery","mail":{},"delivery":{}}',
    ],
)
def test_what_is_no_feedback_is_told_so(body: bytes) -> None:
    with pytest.raises(NoFeedback):
        read(body)


def test_other_events_are_no_concern_of_ours() -> None:
    assert read(b'{"eventType":"Open","mail":{}}') is None
