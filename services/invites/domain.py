"""Which stream decides on what, and what events make of it (pure)."""

from dataclasses import replace
from typing import assert_never

from chassis.decide.decider import Decider, DecisionContext
from contracts.invites import (
    AcceptInvite,
    AddressSuppressed,
    BulkAdmitted,
    CloseInvite,
    DeclineInvite,
    GiveUpSending,
    InviteAccepted,
    InviteAdmitted,
    InviteBounced,
    InviteClosed,
    InviteCommand,
    InviteComplained,
    InviteDeclined,
    InviteDelivered,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    InviterRegistered,
    InviteSent,
    MailWithheld,
    PostponeSending,
    RecordFeedback,
    RecordSent,
    RegisterInviter,
    RequestInvite,
    ResendInvite,
    ReservationWanted,
    RevokeInvite,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    SendInvite,
    SendInvites,
    StartSending,
    SuppressAddress,
    TendInvite,
    Unsubscribe,
    Unsubscribed,
)
from invites import inviters, letters
from invites.state import RULES, Inviter, InviteRules, Letter, Stream

LetterEventTypes = (
    InviteResent | InviteReminded | SendingStarted | InviteSent | MailWithheld
    | SendingPostponed | SendingFailed | InviteDelivered | InviteBounced | InviteComplained
    | Unsubscribed | InviteAccepted | ReservationWanted | InviteDeclined | InviteRevoked
    | InviteExpired
)  # fmt: skip


def decider(  # noqa: C901  one line for each command
    rules: InviteRules = RULES,
) -> Decider[Stream, InviteCommand, InviteEvent]:
    def decide(  # noqa: C901, PLR0911, PLR0912  one line for each command
        stream: Stream, command: InviteCommand, moment: DecisionContext
    ) -> list[InviteEvent]:
        inviter, letter = stream.inviter, stream.letter
        match command:
            case RegisterInviter():
                return inviters.register(inviter, command, moment)
            case SendInvite():
                return inviters.send(inviter, command, moment, rules)
            case SendInvites():
                return inviters.send_many(inviter, command, moment, rules)
            case CloseInvite():
                return inviters.close(inviter, command, moment)
            case RequestInvite():
                return letters.request(letter, command, moment, rules)
            case ResendInvite():
                return letters.resend(letter, command, moment, rules)
            case RevokeInvite():
                return letters.revoke(letter, command, moment)
            case AcceptInvite():
                return letters.accept(letter, command, moment, rules)
            case DeclineInvite():
                return letters.decline(letter, command, moment)
            case Unsubscribe():
                return letters.unsubscribe(letter, command, moment)
            case StartSending():
                return letters.start(letter, command, moment)
            case RecordSent():
                return letters.sent(letter, command, moment)
            case PostponeSending():
                return letters.postpone(letter, command, moment, rules)
            case GiveUpSending():
                return letters.give_up(letter, command, moment)
            case RecordFeedback():
                return letters.hear(letter, command)
            case TendInvite():
                return letters.tend(letter, command, moment, rules)
            case SuppressAddress():
                return _suppress(stream, command, moment)
            case _:
                assert_never(command)

    return Decider(Stream(), decide, evolve)


def evolve(  # noqa: PLR0911  one line for each event
    stream: Stream, event: InviteEvent
) -> Stream:
    match event:
        case InviterRegistered():
            return replace(stream, inviter=Inviter(event.member_id, event.email))
        case InviteAdmitted():
            return replace(stream, inviter=stream.inviter and inviters.admit(stream.inviter, event))
        case InviteClosed():
            inviter = stream.inviter and inviters.closed(stream.inviter, event)
            return replace(stream, inviter=inviter)
        case BulkAdmitted():
            return stream
        case AddressSuppressed():
            return replace(stream, suppressed=event.reason)
        case InviteRequested():
            return replace(stream, letter=_letter(event))
        case _:
            return replace(stream, letter=stream.letter and _told(stream.letter, event))


def _letter(event: InviteRequested) -> Letter:
    return Letter(
        inviter_id=event.inviter_id,
        inviter_email=event.inviter_email,
        email=event.email,
        address_key=event.address_key,
        note=event.note,
        locale=event.locale,
        name=event.name,
        code=event.code,
        requested_at=event.requested_at,
        expires_at=event.expires_at,
        wanted_at=event.requested_at,
    )


def _told(  # noqa: C901, PLR0911, PLR0912  one line for each event
    letter: Letter, event: LetterEventTypes
) -> Letter:
    match event:
        case InviteResent():
            return replace(
                _wanting(letter, event.mail, event.resent_at),
                generation=event.mail,
                token_hash=None,
                resends=letter.resends + 1,
                last_resent_at=event.resent_at,
                expires_at=event.expires_at,
                ending=None,
            )
        case InviteReminded():
            return replace(_wanting(letter, event.mail, event.reminded_at), reminded=True)
        case SendingStarted():
            return replace(
                letter,
                token_hash=event.token_hash,
                unsubscribe_hash=event.unsubscribe_hash,
                started_at=event.started_at,
            )
        case InviteSent():
            return replace(_done(letter, event.mail), sent_at=letter.sent_at or event.sent_at)
        case MailWithheld() | SendingFailed():
            return _done(letter, event.mail)
        case SendingPostponed():
            return replace(letter, started_at=None, not_before=event.until, tries=letter.tries + 1)
        case InviteDelivered():
            return replace(letter, feedback=letter.feedback | {event.feedback_id})
        case InviteBounced():
            feedback = letter.feedback | {event.feedback_id}
            return replace(letter, feedback=feedback, unwelcome=letter.unwelcome or event.permanent)
        case InviteComplained():
            return replace(letter, feedback=letter.feedback | {event.feedback_id}, unwelcome=True)
        case Unsubscribed():
            return replace(letter, unwelcome=True, unsubscribed=True)
        case InviteAccepted():
            return replace(letter, ending="accepted")
        case ReservationWanted():
            return replace(letter, seat_wanted_at=event.wanted_at)
        case InviteDeclined():
            return replace(letter, ending="declined")
        case InviteRevoked():
            return replace(letter, ending="revoked")
        case InviteExpired():
            return replace(letter, ending="expired")
        case _:
            assert_never(event)


def _wanting(letter: Letter, mail: int, at: int) -> Letter:
    return replace(letter, wanted=mail, wanted_at=at, started_at=None, not_before=0, tries=0)


def _done(letter: Letter, mail: int) -> Letter:
    """A mail that is not wanted any more may end late: the one that is wanted goes on."""
    if mail < letter.wanted:
        return replace(letter, done=max(letter.done, mail))
    return replace(letter, done=mail, started_at=None)


def _suppress(
    stream: Stream, command: SuppressAddress, moment: DecisionContext
) -> list[InviteEvent]:
    if stream.suppressed is not None:
        return []
    return [
        AddressSuppressed(
            address_key=command.address_key, reason=command.reason, suppressed_at=moment.at
        )
    ]


INVITES = decider()
