"""The story of one invitation: its mails, their fate, and the answer (pure)."""

from chassis.decide.decider import DecisionContext, Rejected
from contracts.invites import (
    AcceptInvite,
    DeclineInvite,
    GiveUpSending,
    InviteAccepted,
    InviteBounced,
    InviteComplained,
    InviteDeclined,
    InviteDelivered,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    InviteSent,
    MailWithheld,
    PostponeSending,
    RecordFeedback,
    RecordSent,
    RequestInvite,
    ResendInvite,
    ReservationWanted,
    RevokeInvite,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    StartSending,
    TendInvite,
    Unsubscribe,
    Unsubscribed,
)
from invites.state import InviteRules, Letter


def request(
    letter: Letter | None, command: RequestInvite, moment: DecisionContext, rules: InviteRules
) -> list[InviteEvent]:
    if letter is not None:
        return []
    return [
        InviteRequested(
            invite_id=command.invite_id,
            inviter_id=command.inviter_id,
            inviter_email=command.inviter_email,
            email=command.email,
            address_key=command.address_key,
            note=command.note,
            locale=command.locale,
            name=command.name,
            code=command.code,
            requested_at=moment.at,
            expires_at=moment.at + rules.expire_after,
        )
    ]


# Mails


def resend(
    letter: Letter | None, command: ResendInvite, moment: DecisionContext, rules: InviteRules
) -> list[InviteEvent]:
    """It begins anew, also after it expired: a new token and a new end."""
    own = _own(letter, command.inviter_id)
    if own.ending not in (None, "expired"):
        raise Rejected(f"this invitation was {own.ending}", code=f"invite_{own.ending}")
    if own.resends >= rules.resends:
        raise Rejected(f"an invitation is resent {rules.resends} times at most", code="resent_out")
    free_at = max(own.requested_at, own.last_resent_at) + rules.resend_pause
    if moment.at < free_at:
        hours = -(-(free_at - moment.at) // 3600)
        raise Rejected(f"this can be resent in {hours} h at the earliest", code="resent_lately")
    return [
        InviteResent(
            invite_id=command.invite_id,
            mail=own.wanted + 1,
            resent_at=moment.at,
            expires_at=moment.at + rules.expire_after,
        )
    ]


def start(
    letter: Letter | None, command: StartSending, moment: DecisionContext
) -> list[InviteEvent]:
    known = _known(letter)
    if not known.pending or command.mail != known.wanted or moment.at >= known.expires_at:
        raise Rejected("this mail is not wanted any more", code="not_wanted")
    if moment.at < known.not_before:
        raise Rejected("this mail was postponed", code="postponed")
    begun = known.started_at
    if begun is not None and moment.at < begun + command.patience:
        raise Rejected("this mail is on its way out", code="under_way")
    if command.withheld is not None:
        return [
            MailWithheld(
                invite_id=command.invite_id,
                mail=command.mail,
                reason=command.withheld,
                withheld_at=moment.at,
            )
        ]
    return [
        SendingStarted(
            invite_id=command.invite_id,
            mail=command.mail,
            token_hash=command.token_hash,
            unsubscribe_hash=command.unsubscribe_hash,
            started_at=moment.at,
            again=begun is not None,
        )
    ]


def sent(letter: Letter | None, command: RecordSent, moment: DecisionContext) -> list[InviteEvent]:
    """A fact, whatever has happened to the invitation meanwhile."""
    if command.mail <= _known(letter).done:
        return []
    return [
        InviteSent(
            invite_id=command.invite_id,
            mail=command.mail,
            message_id=command.message_id,
            sent_at=moment.at,
        )
    ]


def postpone(
    letter: Letter | None, command: PostponeSending, moment: DecisionContext, rules: InviteRules
) -> list[InviteEvent]:
    known = _known(letter)
    if command.mail <= known.done:
        return []
    pause = min(rules.first_pause * 2 ** min(known.tries, 20), rules.longest_pause)
    spread = pause * moment.entropy[0] // 1024  # up to a quarter: they shall not all come at once
    return [
        SendingPostponed(
            invite_id=command.invite_id,
            mail=command.mail,
            because=command.because,
            postponed_at=moment.at,
            until=moment.at + pause + spread,
        )
    ]


def give_up(
    letter: Letter | None, command: GiveUpSending, moment: DecisionContext
) -> list[InviteEvent]:
    if command.mail <= _known(letter).done:
        return []
    return [
        SendingFailed(
            invite_id=command.invite_id,
            mail=command.mail,
            because=command.because,
            failed_at=moment.at,
        )
    ]


def hear(letter: Letter | None, command: RecordFeedback) -> list[InviteEvent]:
    known = _known(letter)
    if command.feedback_id in known.feedback:
        return []
    invite_id, feedback_id = command.invite_id, command.feedback_id
    match command.kind:
        case "delivered":
            return [
                InviteDelivered(
                    invite_id=invite_id, feedback_id=feedback_id, delivered_at=command.at
                )
            ]
        case "bounced":
            return [
                InviteBounced(
                    invite_id=invite_id,
                    feedback_id=feedback_id,
                    permanent=command.permanent,
                    bounced_at=command.at,
                    address_key=known.address_key,
                )
            ]
        case "complained":
            return [
                InviteComplained(
                    invite_id=invite_id,
                    feedback_id=feedback_id,
                    complained_at=command.at,
                    address_key=known.address_key,
                )
            ]


# Answers


def accept(
    letter: Letter | None, command: AcceptInvite, moment: DecisionContext, rules: InviteRules
) -> list[InviteEvent]:
    known = _by_token(letter, command.token_hash)
    if known.ending == "accepted":
        if moment.at < known.seat_wanted_at + rules.seat_seconds:
            return []
        return _seat(known, command.invite_id, moment)
    _check_answerable(known, moment)
    accepted = InviteAccepted(
        invite_id=command.invite_id, inviter_id=known.inviter_id, accepted_at=moment.at
    )
    return [accepted, *_seat(known, command.invite_id, moment)]


def _seat(letter: Letter, invite_id: str, moment: DecisionContext) -> list[InviteEvent]:
    if letter.code is None:
        return []
    return [
        ReservationWanted(
            invite_id=invite_id,
            inviter_id=letter.inviter_id,
            code=letter.code,
            email=letter.email,
            wanted_at=moment.at,
        )
    ]


def decline(
    letter: Letter | None, command: DeclineInvite, moment: DecisionContext
) -> list[InviteEvent]:
    known = _by_token(letter, command.token_hash)
    if known.ending == "declined":
        return []
    _check_answerable(known, moment)
    return [
        InviteDeclined(
            invite_id=command.invite_id, inviter_id=known.inviter_id, declined_at=moment.at
        )
    ]


def unsubscribe(
    letter: Letter | None, command: Unsubscribe, moment: DecisionContext
) -> list[InviteEvent]:
    known = _known(letter)
    if known.unsubscribe_hash != command.token_hash:
        raise _nothing()
    if known.unsubscribed:
        return []
    return [
        Unsubscribed(
            invite_id=command.invite_id,
            unsubscribed_at=moment.at,
            address_key=known.address_key,
        )
    ]


def revoke(
    letter: Letter | None, command: RevokeInvite, moment: DecisionContext
) -> list[InviteEvent]:
    own = _own(letter, command.inviter_id)
    if own.ending == "revoked":
        return []
    if own.ending is not None:
        raise Rejected(f"this invitation was {own.ending}", code=f"invite_{own.ending}")
    return [
        InviteRevoked(
            invite_id=command.invite_id, inviter_id=command.inviter_id, revoked_at=moment.at
        )
    ]


def tend(
    letter: Letter | None, command: TendInvite, moment: DecisionContext, rules: InviteRules
) -> list[InviteEvent]:
    known = _known(letter)
    if known.ending is not None:
        return []
    if moment.at >= known.expires_at:
        return [
            InviteExpired(
                invite_id=command.invite_id, inviter_id=known.inviter_id, expired_at=moment.at
            )
        ]
    if known.pending or (due := known.due_at(rules)) is None or due > moment.at:
        return []
    return [
        InviteReminded(invite_id=command.invite_id, mail=known.wanted + 1, reminded_at=moment.at)
    ]


def _known(letter: Letter | None) -> Letter:
    if letter is None:
        raise _nothing()
    return letter


def _own(letter: Letter | None, inviter_id: str) -> Letter:
    if letter is None or letter.inviter_id != inviter_id:
        raise _nothing()
    return letter


def _nothing() -> Rejected:
    return Rejected("there is no such invitation", code="not_found", kind="not_found")


def _by_token(letter: Letter | None, token_hash: str) -> Letter:
    known = _known(letter)
    if known.token_hash != token_hash:
        raise Rejected(
            "a newer mail has replaced this one; use the link in that mail",
            code="token_replaced",
            kind="gone",
        )
    return known


def _check_answerable(letter: Letter, moment: DecisionContext) -> None:
    if letter.ending == "revoked":
        raise Rejected("this invitation was taken back", code="invite_revoked", kind="gone")
    if letter.ending == "expired" or moment.at >= letter.expires_at:
        raise Rejected("this invitation has expired", code="invite_expired", kind="gone")
    if letter.ending is not None:
        raise Rejected(f"this invitation was {letter.ending}", code=f"invite_{letter.ending}")
