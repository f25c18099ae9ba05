"""Test the path from an invitation to its mail and the feedback on it, failures included."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import aioboto3
import pytest
from botocore.exceptions import ReadTimeoutError
from structlog.testing import capture_logs

from chassis.bus.commands import COMMAND_ID
from chassis.run.metrics import GIVEN_UP
from chassis.views.boards import Boards
from chassis.views.inspection import Inspection
from contracts.invites import (
    INVITE_TOKENS,
    INVITES,
    AcceptInvite,
    InviteAdmitted,
    InviteDelayed,
    InviteView,
    RegisterInviter,
    RequestInvite,
    ResendInvite,
    RevokeInvite,
    SendingFailed,
    SendingStarted,
    SendInvite,
    SuppressAddress,
    Unsubscribe,
)
from contracts.referrals import AccountOpened
from contracts.tokens import token_digest
from invites import mailer
from invites.app import due_commands
from invites.feedback import InvalidFeedback, parse_feedback
from invites.feedback_handler import UnknownMail
from invites.handlers import commands_for
from invites.mail_metrics import MAILS, MailMetrics
from invites.mail_provider import SES, MailDeferred, MailRefused
from invites.mailer import MAX_REPEATS
from invites.recipient_budget import RecipientBudget
from invites.rules import RULES
from invites.sending_rate import SendingRate
from invites.tokens import Tokens
from tests.invites.service import KEY, InvitesService, invites_service

DAY = 86_400


@pytest.fixture
async def service(redis: Any) -> AsyncIterator[InvitesService]:
    async with invites_service(redis) as service:
        yield service


pytestmark = pytest.mark.stack


async def view(service: InvitesService, invite_id: str) -> InviteView:
    boards = Boards(service.models, INVITES)
    view = await boards.view(f"invite-{invite_id}")
    assert view is not None
    return view


def report(invite_id: str | None, name: str = "Bounce", **details: Any) -> bytes:
    mail: dict[str, Any] = {"messageId": "m-1", "timestamp": "2026-11-24T12:00:00.000Z"}
    if invite_id is not None:
        mail["tags"] = {"invite": [invite_id], "mail": ["1"]}
    member = details.pop("member", name.lower())
    message = {"eventType": name, "mail": mail, member: {"feedbackId": "f-1"} | details}
    return json.dumps({"Type": "Notification", "Message": json.dumps(message)}).encode()


def unsubscribe(service: InvitesService, invite_id: str) -> Unsubscribe:
    """Return the command that the link in the newest mail leads to."""
    token = service.inbox.unsubscribe_token()
    return Unsubscribe(invite_id=invite_id, token_hash=token_digest(token))


def older_key(address: str) -> str:
    """Return the digest of one spelling, as earlier versions stored it."""
    return hmac.digest(KEY.encode(), f"address\n{address}".encode(), "sha256").hex()


async def receive(service: InvitesService, body: bytes) -> None:
    await service.bus.receive("invites-feedback", body)
    await service.bus.deliver_all()


async def test_an_invitation_becomes_a_mail_whose_token_is_stored_nowhere(
    service: InvitesService,
) -> None:
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


async def test_an_announcement_delivered_three_times_sends_one_mail(
    service: InvitesService,
) -> None:
    await service.invite("carol@example.org")
    await service.handle(SendInvite(inviter_id="alice", email="bob@example.org"))
    await service.bus.deliver_all(times=3)
    assert [mail["To"] for mail in service.inbox.mails] == [
        "carol@example.org",
        "bob@example.org",
    ]


async def test_a_throttled_mail_is_postponed_in_the_log_and_retried(
    service: InvitesService,
) -> None:
    service.inbox.plan = [MailDeferred("Throttling"), MailDeferred("Throttling")]
    invite_id = await service.invite()
    assert service.inbox.mails == []
    assert (await view(service, invite_id)).due_at == pytest.approx(service.at + 30, abs=9)
    await service.tend(invite_id)  # too early
    assert service.inbox.calls == 1
    for wait in (40, 80):
        service.at += wait
        await service.tend(invite_id)
    assert len(service.inbox.mails) == 1
    types = await service.types(invite_id)
    assert types.count("SendingPostponed") == 2
    started = list((await service.store.load(f"invite-{invite_id}")).events)
    assert not any(isinstance(e, SendingStarted) and e.again for e in started)


async def test_a_mail_whose_result_was_lost_is_marked_when_it_is_sent_again(
    service: InvitesService,
) -> None:
    service.inbox.plan = [ReadTimeoutError(endpoint_url="ses")]
    invite_id = await service.invite()
    await service.tend(invite_id)
    assert service.inbox.calls == 1
    service.at += 121
    await service.tend(invite_id)
    events = (await service.store.load(f"invite-{invite_id}")).events
    assert [e.again for e in events if isinstance(e, SendingStarted)] == [False, True]
    assert len(service.inbox.mails) == 1


async def test_a_mail_that_is_refused_for_good_is_shown_as_failed(service: InvitesService) -> None:
    service.inbox.plan = [MailRefused("MessageRejected")]
    invite_id = await service.invite()
    assert (await view(service, invite_id)).state == "failed"
    service.at += 10_000
    await service.tend(invite_id)
    assert service.inbox.calls == 1


async def test_a_mail_that_cannot_be_composed_ends_and_is_reported_once(
    service: InvitesService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no template for bob@example.org")

    monkeypatch.setattr(mailer, "compose", fail)
    before = GIVEN_UP["mail", "not_composed"]
    with capture_logs() as logs:
        invite_id = await service.invite()
    shown = await view(service, invite_id)
    assert (shown.state, [line.what for line in shown.timeline]) == (
        "failed", ["requested", "failed"]
    )  # fmt: skip
    assert GIVEN_UP["mail", "not_composed"] == before + 1
    (line,) = (line for line in logs if line["event"] == "mail_not_composed")
    assert (line["because"], line["log_level"]) == ("RuntimeError", "error")
    assert line["at"].startswith("test_sending.py:")
    assert "bob@" not in str(logs)
    types = await service.types(invite_id)
    for _ in range(10):
        service.at += 600
        await service.tend(invite_id)
    assert await service.types(invite_id) == types


async def test_an_address_that_an_older_version_accepted_ends_its_mail(
    service: InvitesService,
) -> None:
    request = RequestInvite(
        invite_id="old", inviter_id="alice", email="jörg@example.com", address_key="ab" * 32
    )
    await service.do(request)
    assert await service.types("old") == ["InviteRequested", "SendingStarted", "SendingFailed"]
    assert service.inbox.calls == 0


async def test_an_international_domain_is_mailed_as_a_labels_and_shown_as_typed(
    service: InvitesService,
) -> None:
    invite_id = await service.invite("fresh@bücher.example")
    (mail,) = service.inbox.mails
    assert (mail["To"], service.inbox.recipients) == (
        "fresh@xn--bcher-kva.example", ["fresh@xn--bcher-kva.example"]
    )  # fmt: skip
    assert (await view(service, invite_id)).email == "fresh@bücher.example"


async def test_a_mail_whose_result_is_always_lost_is_given_up(service: InvitesService) -> None:
    service.inbox.plan = [ReadTimeoutError(endpoint_url="ses") for _ in range(100)]
    invite_id = await service.invite()
    started = service.at
    times = [started]
    while (await view(service, invite_id)).state == "requested":
        calls = service.inbox.calls
        service.at += 30
        await service.tend(invite_id)
        if service.inbox.calls > calls:
            times.append(service.at)
    assert service.inbox.calls == MAX_REPEATS + 1
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == pytest.approx([120, 240, 480, 960, 1920, 3600, 3600], abs=31)
    assert (await service.types(invite_id))[-1] == "SendingFailed"


async def test_a_permanent_bounce_suppresses_the_address(service: InvitesService) -> None:
    first = await service.invite()
    body = report(first, bounceType="Permanent", timestamp="2026-11-24T12:00:01.000Z")
    for _ in range(3):
        await receive(service, body)
    assert (await service.types(first)).count("InviteBounced") == 1
    assert (await view(service, first)).state == "bounced"
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    second = await service.invite()
    assert second != first
    assert await service.types(second) == ["InviteRequested", "MailWithheld"]
    assert len(service.inbox.mails) == 1
    shown = await view(service, second)
    assert shown.state == "sent"  # as the inviter sees any other
    assert [line.what for line in shown.timeline] == ["requested", "sent"]


async def test_a_transient_bounce_does_not_suppress_the_address(service: InvitesService) -> None:
    first = await service.invite()
    await receive(service, report(first, bounceType="Transient"))
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    await service.invite()
    assert len(service.inbox.mails) == 2


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
async def test_a_mail_that_was_taken_out_of_the_spam_folder_is_no_complaint(
    service: InvitesService, kind: str
) -> None:
    first = await service.invite()
    await receive(service, report(first, "Complaint", complaintFeedbackType=kind))
    assert "InviteComplained" not in await service.types(first)
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    await service.invite()
    assert len(service.inbox.mails) == 2


@pytest.mark.parametrize("kind", ["abuse", "fraud", "virus", "other", "opt-out", None, "new"])
async def test_every_other_complaint_suppresses_the_address(
    service: InvitesService, kind: str | None
) -> None:
    first = await service.invite()
    await receive(service, report(first, "Complaint", complaintFeedbackType=kind))
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    await service.invite()
    assert len(service.inbox.mails) == 1


@pytest.mark.parametrize(
    ("name", "member", "details", "because"),
    [
        ("Reject", "reject", {"reason": "Bad content"}, "Reject"),
        ("Rendering Failure", "failure", {"errorMessage": "bob@x.y"}, "Rendering Failure"),
    ],
)
async def test_a_mail_that_ses_rejects_later_is_shown_as_failed(
    service: InvitesService, name: str, member: str, details: dict[str, str], because: str
) -> None:
    first = await service.invite()
    for _ in range(3):
        await receive(service, report(first, name, member=member, **details))
    shown = await view(service, first)
    assert (shown.state, shown.timeline[-1].what, len(shown.timeline)) == ("failed", "failed", 3)
    failed = (await service.store.load(f"invite-{first}")).events[-1]
    assert isinstance(failed, SendingFailed)
    assert (failed.mail, failed.because) == (1, because)
    service.at += DAY + 1  # the inviter may send it again, and the old report changes nothing
    await service.do(ResendInvite(invite_id=first, inviter_id="alice"))
    await receive(service, report(first, name, member=member, feedbackId="f-2"))
    assert (await view(service, first)).state == "sent"


async def test_a_delay_is_on_the_timeline_once(service: InvitesService) -> None:
    first = await service.invite()
    delay: dict[str, Any] = {"member": "deliveryDelay", "feedbackId": None}
    for _ in range(3):
        await receive(service, report(first, "DeliveryDelay", **delay, delayType="MailboxFull"))
    shown = await view(service, first)
    assert (shown.state, [line.what for line in shown.timeline]) == (
        "sent", ["requested", "sent", "delayed"]
    )  # fmt: skip
    delayed = (await service.store.load(f"invite-{first}")).events[-1]
    assert isinstance(delayed, InviteDelayed)
    assert delayed.because == "MailboxFull"
    await receive(service, report(first, "Delivery", feedbackId=None))
    assert (await view(service, first)).state == "delivered"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pat+news@example.org", "Pat@example.org"),
        ("p.a.t@gmail.com", "pat+x@googlemail.com"),
        ("pat@bücher.example", "PAT+x@xn--bcher-kva.example"),
    ],
)
async def test_unsubscribing_applies_to_all_spellings_of_an_address(
    service: InvitesService, one: str, other: str
) -> None:
    first = await service.invite(one)
    await service.do(unsubscribe(service, first))
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    second = await service.invite(other)
    assert (await service.types(second))[1:] == ["MailWithheld"]
    assert len(service.inbox.mails) == 1


async def test_a_suppression_of_an_earlier_version_is_found(service: InvitesService) -> None:
    key = older_key("pat+news@example.org")
    await service.do(SuppressAddress(address_key=key, reason="unsubscribe"))
    await service.invite("pat+news@example.org")
    assert service.inbox.calls == 0


async def test_unsubscribing_from_a_mail_of_an_earlier_version_applies_to_all_spellings(
    service: InvitesService,
) -> None:
    address = "pat+news@example.org"
    request = RequestInvite(
        invite_id="old", inviter_id="alice", email=address, address_key=older_key(address)
    )
    await service.do(request)
    await service.do(unsubscribe(service, "old"))
    await service.invite("pat@example.org")
    await service.invite("carol@example.org")
    assert [mail["To"] for mail in service.inbox.mails] == [address, "carol@example.org"]


async def test_inviting_and_revoking_does_not_mail_a_person_again_and_again(
    service: InvitesService,
) -> None:
    for _ in range(2):
        invite_id = await service.invite()
        await service.do(RevokeInvite(invite_id=invite_id, inviter_id="alice"))
    again = SendInvite(inviter_id="alice", email="bob+x@example.org")
    outcome = await service.do(again)
    assert outcome.rejection is not None
    assert outcome.rejection.code == "invited_often"
    assert "Wait two weeks" in outcome.rejection.detail
    assert len(service.inbox.mails) == 2
    service.at += 14 * DAY + 1
    assert (await service.do(again)).state == "accepted"


async def test_a_person_gets_five_mails_a_day_from_all_inviters_and_none_of_them_can_tell(
    service: InvitesService,
) -> None:
    shown = []
    for number in range(7):
        member = f"inviter{number}"
        await service.do(RegisterInviter(member_id=member, email=f"{member}@example.com"))
        await service.do(SendInvite(inviter_id=member, email=f"bob+{number}@example.org"))
        last = (await service.store.load(f"inviter-{member}")).events[-1]
        assert isinstance(last, InviteAdmitted)
        shown.append(await view(service, last.invite_id))
    assert len(service.inbox.mails) == 5
    assert {each.state for each in shown} == {"sent"}
    assert len({tuple(entry.what for entry in each.timeline) for each in shown}) == 1
    await service.invite("carol@example.org")
    assert len(service.inbox.mails) == 6


async def test_the_budget_of_a_recipient_counts_each_mail_once_and_is_free_again(
    redis: Any,
) -> None:
    budget = RecipientBudget(redis, replace(RULES, mails_per_day=2, mails=3, mail_days=10))
    taken = [await budget.take(["bob"], mail, 1_000_000) for mail in ("a", "a", "b", "c", "a")]
    assert taken == [True, True, True, False, True]
    assert await budget.take(["carol"], "c", 1_000_000)
    assert await budget.take(["bob"], "c", 1_000_000 + DAY)
    assert not await budget.take(["bob"], "d", 1_000_000 + 2 * DAY)
    assert await budget.take(["bob"], "d", 1_000_001 + 10 * DAY)
    assert 0 < await redis.ttl("invites:mails-to:bob") <= 10 * DAY


async def test_a_member_gets_no_mail_under_any_spelling(service: InvitesService) -> None:
    opened = AccountOpened(
        member_id="bob", email="bob+x@example.org", total_referrals=10, opened_at=1
    )
    for command in commands_for(opened, Tokens(KEY.encode())):
        await service.do(command)
    await service.invite("bob@example.org")
    assert service.inbox.calls == 0


async def test_feedback_without_a_tag_is_matched_by_message_id(service: InvitesService) -> None:
    first = await service.invite()
    await receive(service, report(None, "Complaint"))
    assert "InviteComplained" in await service.types(first)
    assert (await view(service, first)).state == "sent"  # complaints are not shown


async def test_feedback_may_arrive_before_the_result_and_in_reverse_order(
    service: InvitesService,
) -> None:
    service.inbox.plan = [ReadTimeoutError(endpoint_url="ses")]
    first = await service.invite()
    await receive(service, report(first, "Complaint"))
    await receive(service, report(first, "Delivery", feedbackId=None))
    assert (await view(service, first)).state == "delivered"


async def test_unsubscribing_stops_the_reminder_and_all_other_invitations(
    service: InvitesService,
) -> None:
    first = await service.invite()
    command = Unsubscribe(
        invite_id=first, token_hash=token_digest(service.inbox.unsubscribe_token())
    )
    await service.do(command)
    service.at += 4 * DAY
    await service.tend(first)
    await service.do(RevokeInvite(invite_id=first, inviter_id="alice"))
    await service.invite()
    assert len(service.inbox.mails) == 1


async def test_a_member_gets_no_mail_and_the_inviter_cannot_tell(service: InvitesService) -> None:
    opened = AccountOpened(
        member_id="bob", email="bob@example.org", total_referrals=10, opened_at=1
    )
    for command in commands_for(opened, Tokens(KEY.encode())):
        await service.do(command)
    invite_id = await service.invite()
    assert service.inbox.calls == 0
    assert (await view(service, invite_id)).state == "sent"


async def test_an_unanswered_invitation_gets_one_reminder_and_expires(
    service: InvitesService,
) -> None:
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


async def test_a_resent_mail_has_the_only_valid_token(service: InvitesService) -> None:
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


async def test_accepting_sends_a_reservation_command_to_referrals(service: InvitesService) -> None:
    invite_id = await service.invite()
    command = AcceptInvite(invite_id=invite_id, token_hash=token_digest(service.inbox.token()))
    await service.handle(command)
    await service.bus.deliver_all(times=3)  # redelivered
    assert {sent.queue for sent in service.sent} == {"test-referrals-commands.fifo"}
    assert len({sent.headers[COMMAND_ID] for sent in service.sent}) == 1
    body = service.sent[0].body
    assert body["inviteId"] == invite_id
    assert (body["memberId"], body["code"]) == ("alice", "MVA00W4CZS")
    assert body["invitedUser"] == "bob@example.org"
    closed = (await service.store.load("inviter-alice")).events[-1]
    assert closed.type == "InviteClosed"


async def test_the_clock_sends_commands_to_due_invitations(service: InvitesService) -> None:
    service.inbox.plan = [MailDeferred("Throttling")]
    invite_id = await service.invite()
    due = due_commands(service.application)
    assert await due.send(service.at) == 0
    assert await due.send(service.at + 60) == 1
    (sent,) = service.sent
    assert sent.body["inviteId"] == invite_id


async def test_all_instances_share_the_sending_rate(redis: Any) -> None:
    now = [1_000.0]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    rate_limits = [SendingRate(redis, 2, clock=lambda: now[0], sleep=sleep) for _ in range(3)]
    for turn in range(12):
        await rate_limits[turn % 3].wait()
    assert now[0] == 1_005.0
    assert len(slept) == 5


@pytest.mark.parametrize(
    ("share", "account", "rate"), [(0.9, 14, 10), (0.5, 14, 7), (0, 14, 10), (0.9, 1, 0.9)]
)
def test_the_sending_rate_stays_within_the_account_quota(
    share: float, account: float, rate: float
) -> None:
    rate_limit = SendingRate(None, 10, quota_share=share)
    rate_limit.set_account_rate(account)
    assert rate_limit.rate == pytest.approx(rate)


async def test_the_account_quota_is_read_at_the_start(
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
    rate: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    async with aioboto3.Session().client("sesv2") as client:
        ses = SES(client, "hello@vouch.example", "", rate.set_result)
        watching = asyncio.create_task(ses.watch_quota())
        assert await asyncio.wait_for(rate, 10) > 0
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


async def test_feedback_on_an_unknown_mail_is_redelivered(service: InvitesService) -> None:
    early = b"""{"notificationType": "Complaint", "mail": {"messageId": "early", "timestamp":
        "2026-11-01T12:00:00Z"}, "complaint": {"feedbackId": "f", "timestamp":
        "2026-11-01T12:00:00Z"}}"""
    with pytest.raises(UnknownMail):
        await receive(service, early)


async def test_feedback_with_an_invalid_invitation_tag_is_a_dead_letter(
    service: InvitesService,
) -> None:
    wrong = b"""{"notificationType": "Complaint", "mail": {"messageId": "m", "tags": {"invite":
        ["no such\\nname"]}, "timestamp": "2026-11-01T12:00:00Z"}, "complaint": {"feedbackId": "f",
        "timestamp": "2026-11-01T12:00:00Z"}}"""
    with capture_logs() as logs:
        await receive(service, wrong)  # rejected, which moves it to the dead-letter queue
    assert [line["event"] for line in logs] == ["feedback_without_invitation"]
    assert list(service.store.streams) == []


async def test_read_models_match_the_log(service: InvitesService) -> None:
    first = await service.invite()
    await receive(service, report(first, bounceType="Permanent"))
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
def test_invalid_feedback_is_rejected(body: bytes) -> None:
    with pytest.raises(InvalidFeedback):
        parse_feedback(body)


def test_other_reports_are_ignored() -> None:
    assert parse_feedback(b'{"eventType":"Open","mail":{}}') is None


async def test_mails_are_counted_and_the_oldest_that_waits_has_an_age(
    service: InvitesService,
) -> None:
    sent = MAILS["sent"]
    await service.invite("bob@example.org")
    assert MAILS["sent"] == sent + 1
    service.inbox.plan = [MailDeferred("quota"), MailDeferred("quota")]
    waiting = await service.invite("carol@example.org")
    assert await figures(service) == {"mails_waiting": 1, "mail_oldest_waiting_seconds": 0}
    service.at += 600
    later = await service.invite("dave@example.org")
    assert await figures(service) == {"mails_waiting": 2, "mail_oldest_waiting_seconds": 600}
    service.at += 600
    for invite_id in (waiting, later):
        await service.tend(invite_id)
    assert await figures(service) == {"mails_waiting": 0, "mail_oldest_waiting_seconds": 0}
    assert MAILS["sent"] == sent + 3


async def figures(service: InvitesService) -> dict[str, int]:
    metrics = MailMetrics(Boards(service.models, INVITES), clock=lambda: service.at)
    families = [each for each in await metrics.families() if each.type == "gauge"]
    return {each.name: int(each.samples[0].value) for each in families}
