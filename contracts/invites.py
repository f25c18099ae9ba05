"""Define the messages and views of the invites service: invitations by e-mail.

An inviter's stream admits an invitation (`InviteAdmitted`) and enforces the limits; the
invitation's stream (`invite-{id}`) then records its course. A mail is recorded as an intent
(`SendingStarted`) before the call, and as a result after it. No stream id, token or key of the log
contains an address.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field
from pydantic.functional_validators import AfterValidator

from contracts.messages import (
    Command,
    CommandTime,
    Count,
    EmailAddress,
    Event,
    Identifier,
    KnownAddress,
    Message,
    Personal,
    Safe,
    UnixTime,
    VerifiedAddress,
    View,
)
from contracts.read_models import BoardRef, DocumentRef, IndexRef
from contracts.referral_code import ReferralCode, StoredReferralCode
from contracts.referrals import AccountOpened
from contracts.streams import INVITATIONS, INVITERS, SUPPRESSIONS
from contracts.subscription import Subscription
from contracts.texts import lines, one_line

SERVICE: Final = "invites"
MAX_BULK = 200
MAX_RESENDS: Final = 3
"""Number of times that one invitation can be resent."""
RESEND_PAUSE_SECONDS: Final = 24 * 3600
"""Time that has to pass between two mails of one invitation."""
Name = Annotated[str, Field(max_length=80), AfterValidator(one_line), Personal()]
"""The inviter's name in a mail: one line; `contracts.texts` says which characters."""
Note = Annotated[str, Field(max_length=280), AfterValidator(lines), Personal()]
"""Some lines; `contracts.texts` says which characters."""
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$", max_length=20)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a token, or the keyed digest of an address: neither reveals its source."""
MailKind = Literal["first", "resent", "reminder"]
Reason = Literal["bounce", "complaint", "unsubscribe", "member"]
"""Why an address receives no mail; `member`: it has an account."""
WithheldReason = Literal["bounce", "complaint", "unsubscribe", "member", "budget"]
"""Why a mail is withheld; `budget`: the person has got enough mails lately."""
FeedbackKind = Literal["delivered", "delayed", "bounced", "rejected", "complained"]
"""`rejected`: SES accepted the mail, and then refused to send it."""
Ending = Literal["accepted", "declined", "revoked", "expired"]
RowCode = Literal[
    "already_invited", "invited_often", "too_many_active", "too_many_today", "own_address"
]  # fmt: skip


# Commands


class InvitesCommand(Command):
    """Address the invites service."""

    service: ClassVar[str] = SERVICE


class InviterStreamCommand(InvitesCommand):
    """Address the stream of one inviter."""

    inviter_id: Identifier

    @property
    def stream(self) -> str:
        return INVITERS.stream(self.inviter_id)


class InvitationStreamCommand(InvitesCommand):
    """Address the stream of one invitation."""

    invite_id: Identifier

    @property
    def stream(self) -> str:
        return INVITATIONS.stream(self.invite_id)


class RegisterInviter(InvitesCommand):
    """Register a member as an inviter, after the referrals service has opened the account."""

    type: Literal["RegisterInviter"] = "RegisterInviter"
    member_id: Identifier
    email: VerifiedAddress

    @property
    def stream(self) -> str:
        return INVITERS.stream(self.member_id)


class InviteRow(Message):
    """Describe one person to invite."""

    email: EmailAddress
    note: Note = ""
    locale: Locale = "en"
    row: Annotated[int, Field(ge=0, le=MAX_BULK)] = 0
    """Number of the row in the inviter's request, counted from 1."""


class SendInvite(InviterStreamCommand):
    """Invite a person by e-mail (`send_invite`)."""

    excluded_from_hash: ClassVar[frozenset[str]] = frozenset({"code", "no_code"})
    type: Literal["SendInvite"] = "SendInvite"
    email: EmailAddress
    note: Note = ""
    locale: Locale = "en"
    name: Name = ""
    """Name of the inviter in the mail; default: the masked address."""
    code: ReferralCode | None = None
    """The inviter's referral code, with which an accepted invitation reserves a seat."""
    no_code: bool = False
    """None of the inviter's codes can be used: the invitation is rejected."""


class SendInvites(InviterStreamCommand):
    """Invite many people at once; each row is admitted or rejected separately."""

    excluded_from_hash: ClassVar[frozenset[str]] = frozenset({"code", "no_code"})
    type: Literal["SendInvites"] = "SendInvites"
    job_id: Identifier
    rows: Annotated[tuple[InviteRow, ...], Field(min_length=1, max_length=MAX_BULK)]
    name: Name = ""
    code: ReferralCode | None = None
    no_code: bool = False


class CloseInvite(InviterStreamCommand):
    """Record on the inviter's stream that an invitation has ended."""

    type: Literal["CloseInvite"] = "CloseInvite"
    invite_id: Identifier
    ending: Ending


class ReleaseInvitee(InviterStreamCommand):
    """Let the inviter invite a person again whose accepted invitation got no seat."""

    type: Literal["ReleaseInvitee"] = "ReleaseInvitee"
    invite_id: Identifier
    email: Annotated[KnownAddress, Field(max_length=320)]


class RequestInvite(InvitationStreamCommand):
    """Start the stream of an admitted invitation."""

    type: Literal["RequestInvite"] = "RequestInvite"
    inviter_id: Identifier
    inviter_email: Annotated[str, Field(max_length=320), Personal()] = ""
    email: Annotated[KnownAddress, Field(max_length=320)]
    address_key: Digest
    note: Note = ""
    locale: Locale = "en"
    name: Name = ""
    code: ReferralCode | None = None


class ResendInvite(InvitationStreamCommand):
    """Send the invitation again with a new token; the old token becomes invalid."""

    type: Literal["ResendInvite"] = "ResendInvite"
    inviter_id: Identifier


class RevokeInvite(InvitationStreamCommand):
    """Withdraw an invitation."""

    type: Literal["RevokeInvite"] = "RevokeInvite"
    inviter_id: Identifier


class AcceptInvite(InvitationStreamCommand):
    """Accept the invitation, on behalf of the holder of the token."""

    type: Literal["AcceptInvite"] = "AcceptInvite"
    token_hash: Digest


class RecordSeat(InvitationStreamCommand):
    """Record whether a seat was reserved for the invited person, as the referrals service says."""

    type: Literal["RecordSeat"] = "RecordSeat"
    refused: Annotated[str, Field(max_length=64)] | None = None
    """Code of the refusal; None: the seat is reserved."""


class DeclineInvite(InvitationStreamCommand):
    """Decline the invitation, on behalf of the holder of the token."""

    type: Literal["DeclineInvite"] = "DeclineInvite"
    token_hash: Digest


class Unsubscribe(InvitationStreamCommand):
    """Stop all mail to the address of this invitation, from every inviter."""

    type: Literal["Unsubscribe"] = "Unsubscribe"
    token_hash: Digest


class StartSending(InvitationStreamCommand):
    """Record that a mail is about to be sent, or is withheld."""

    type: Literal["StartSending"] = "StartSending"
    mail: Annotated[int, Field(ge=1), Safe]
    token_hash: Digest
    unsubscribe_hash: Digest
    withheld: WithheldReason | None = None
    patience: Count = 120
    """Seconds after which an earlier start without a result is taken for a crash."""


class RecordSent(InvitationStreamCommand):
    """Record that the provider has accepted a mail."""

    type: Literal["RecordSent"] = "RecordSent"
    mail: Annotated[int, Field(ge=1), Safe]
    message_id: Annotated[str, Field(max_length=200)]


class PostponeSending(InvitationStreamCommand):
    """Record that the provider cannot accept a mail now; it certainly was not sent."""

    type: Literal["PostponeSending"] = "PostponeSending"
    mail: Annotated[int, Field(ge=1), Safe]
    because: Annotated[str, Field(max_length=200)]


class GiveUpSending(InvitationStreamCommand):
    """Record that the provider will never accept this mail."""

    type: Literal["GiveUpSending"] = "GiveUpSending"
    mail: Annotated[int, Field(ge=1), Safe]
    because: Annotated[str, Field(max_length=200)]


class RecordFeedback(InvitationStreamCommand):
    """Record feedback on a mail, which may arrive late, twice and in any order."""

    type: Literal["RecordFeedback"] = "RecordFeedback"
    feedback_id: Annotated[str, Field(max_length=200)]
    kind: FeedbackKind
    permanent: bool = False
    at: CommandTime
    mail: Annotated[int, Field(ge=1), Safe] | None = None
    """Number of the mail, if the report names it."""
    because: Annotated[str, Field(max_length=100)] = ""
    """Type and subtype of the report, such as `Transient/MailboxFull`."""


class TendInvite(InvitationStreamCommand):
    """Do what is due: send a mail or a reminder, or expire the invitation."""

    type: Literal["TendInvite"] = "TendInvite"


class SuppressAddress(InvitesCommand):
    """Send no mail to the address with this keyed digest."""

    type: Literal["SuppressAddress"] = "SuppressAddress"
    address_key: Digest
    reason: Reason

    @property
    def stream(self) -> str:
        return SUPPRESSIONS.stream(self.address_key)


InviterCommand = RegisterInviter | SendInvite | SendInvites | CloseInvite | ReleaseInvitee
SuppressionCommand = SuppressAddress
InvitationCommand = (
    RequestInvite
    | ResendInvite
    | RevokeInvite
    | AcceptInvite
    | RecordSeat
    | DeclineInvite
    | Unsubscribe
    | StartSending
    | RecordSent
    | PostponeSending
    | GiveUpSending
    | RecordFeedback
    | TendInvite
)
InviteCommand = Annotated[
    InviterCommand | SuppressionCommand | InvitationCommand, Field(discriminator="type")
]


# Events


class InviterRegistered(Event):
    """Record that a person may invite others."""

    type: Literal["InviterRegistered"] = "InviterRegistered"
    member_id: Identifier
    email: KnownAddress
    registered_at: UnixTime


class InviteAdmitted(Event):
    """Record that the inviter may send an invitation; its own stream continues from here."""

    type: Literal["InviteAdmitted"] = "InviteAdmitted"
    inviter_id: Identifier
    inviter_email: Annotated[str, Personal()] = ""
    invite_id: Identifier
    email: KnownAddress
    note: Annotated[str, Personal()] = ""
    locale: str = "en"
    name: Annotated[str, Personal()] = ""
    code: StoredReferralCode | None = None
    admitted_at: UnixTime

    @property
    def subject_stream(self) -> str:
        """Return the invitation's stream, so that invitations of one inviter run in parallel."""
        return INVITATIONS.stream(self.invite_id)


class RowRefused(Message):
    """Describe a row of a bulk request that was rejected, and why."""

    row: int
    code: RowCode


class BulkAdmitted(Event):
    """Record the results of the rows of one bulk request."""

    type: Literal["BulkAdmitted"] = "BulkAdmitted"
    inviter_id: Identifier
    job_id: Identifier
    accepted: int
    rejected: tuple[RowRefused, ...] = ()
    admitted_at: UnixTime


class InviteClosed(Event):
    """Record that an invitation has ended and is not active any more."""

    type: Literal["InviteClosed"] = "InviteClosed"
    inviter_id: Identifier
    invite_id: Identifier
    ending: Ending
    closed_at: UnixTime


class InviteeReleased(Event):
    """Record that the person may be invited again: the accepted invitation got no seat."""

    type: Literal["InviteeReleased"] = "InviteeReleased"
    inviter_id: Identifier
    invite_id: Identifier
    email: KnownAddress
    released_at: UnixTime


class InviteRequested(Event):
    """Record that the invitation begins; its mail can be sent."""

    type: Literal["InviteRequested"] = "InviteRequested"
    invite_id: Identifier
    inviter_id: Identifier
    inviter_email: Annotated[str, Personal()] = ""
    email: KnownAddress
    address_key: Digest
    note: Annotated[str, Personal()] = ""
    locale: str = "en"
    name: Annotated[str, Personal()] = ""
    code: StoredReferralCode | None = None
    requested_at: UnixTime
    expires_at: UnixTime


class InvitationStreamEvent(Event):
    """Record a fact about one invitation."""

    invite_id: Identifier


class InviteResent(InvitationStreamEvent):
    """Record a resend: from here on only the token of the next mail is valid."""

    type: Literal["InviteResent"] = "InviteResent"
    mail: int
    resent_at: UnixTime
    expires_at: UnixTime


class InviteReminded(InvitationStreamEvent):
    """Record that a reminder is due; it is sent as another mail."""

    type: Literal["InviteReminded"] = "InviteReminded"
    mail: int
    reminded_at: UnixTime


class SendingStarted(InvitationStreamEvent):
    """Record that a mail is about to be sent."""

    type: Literal["SendingStarted"] = "SendingStarted"
    mail: int
    token_hash: Digest
    unsubscribe_hash: Digest
    started_at: UnixTime
    again: bool = False
    """Whether an earlier start had no result: the mail may then be sent twice."""


class InviteSent(InvitationStreamEvent):
    """Record that the mail provider has accepted the mail."""

    type: Literal["InviteSent"] = "InviteSent"
    mail: int
    message_id: str
    sent_at: UnixTime


class MailWithheld(InvitationStreamEvent):
    """Record that a mail was withheld; only the service knows."""

    type: Literal["MailWithheld"] = "MailWithheld"
    mail: int
    reason: WithheldReason
    withheld_at: UnixTime


class SendingPostponed(InvitationStreamEvent):
    """Record that the mail was not sent; it is tried again at `until`."""

    type: Literal["SendingPostponed"] = "SendingPostponed"
    mail: int
    because: str
    postponed_at: UnixTime
    until: UnixTime


class SendingFailed(InvitationStreamEvent):
    """Record that the mail is not sent: it was not composed, not accepted, or rejected later."""

    type: Literal["SendingFailed"] = "SendingFailed"
    mail: int
    because: str
    failed_at: UnixTime
    feedback_id: str = ""
    """Id of the report of a mail that the provider rejected after it had accepted it."""


class InviteDelivered(InvitationStreamEvent):
    """Record that the mail reached the recipient's server."""

    type: Literal["InviteDelivered"] = "InviteDelivered"
    feedback_id: str
    delivered_at: UnixTime


class InviteDelayed(InvitationStreamEvent):
    """Record that the recipient's server has not accepted the mail yet; the provider goes on."""

    type: Literal["InviteDelayed"] = "InviteDelayed"
    feedback_id: str
    because: str
    delayed_at: UnixTime


class InviteBounced(InvitationStreamEvent):
    """Record that the recipient's server rejected the mail."""

    type: Literal["InviteBounced"] = "InviteBounced"
    feedback_id: str
    permanent: bool
    bounced_at: UnixTime
    address_key: Digest
    because: str = ""


class InviteComplained(InvitationStreamEvent):
    """Record that the recipient reported the mail as unwanted."""

    type: Literal["InviteComplained"] = "InviteComplained"
    feedback_id: str
    complained_at: UnixTime
    address_key: Digest


class Unsubscribed(InvitationStreamEvent):
    """Record that the recipient wants no more mail."""

    type: Literal["Unsubscribed"] = "Unsubscribed"
    unsubscribed_at: UnixTime
    address_key: Digest


class InviteAccepted(InvitationStreamEvent):
    """Record that the invited person has accepted."""

    type: Literal["InviteAccepted"] = "InviteAccepted"
    inviter_id: Identifier
    accepted_at: UnixTime


class ReservationWanted(InvitationStreamEvent):
    """Request a seat for the invited person from the referrals service."""

    type: Literal["ReservationWanted"] = "ReservationWanted"
    inviter_id: Identifier
    code: StoredReferralCode
    email: KnownAddress
    wanted_at: UnixTime


class SeatReserved(InvitationStreamEvent):
    """Record that the invited person has a seat."""

    type: Literal["SeatReserved"] = "SeatReserved"
    reserved_at: UnixTime


class SeatRefused(InvitationStreamEvent):
    """Record that there is no seat for the invited person."""

    type: Literal["SeatRefused"] = "SeatRefused"
    inviter_id: Identifier
    email: KnownAddress
    code: str
    """Code of the refusal."""
    refused_at: UnixTime


class InviteDeclined(InvitationStreamEvent):
    """Record that the invited person has declined."""

    type: Literal["InviteDeclined"] = "InviteDeclined"
    inviter_id: Identifier
    declined_at: UnixTime


class InviteRevoked(InvitationStreamEvent):
    """Record that the inviter has withdrawn the invitation."""

    type: Literal["InviteRevoked"] = "InviteRevoked"
    inviter_id: Identifier
    revoked_at: UnixTime


class InviteExpired(InvitationStreamEvent):
    """Record that the invitation was not accepted in time."""

    type: Literal["InviteExpired"] = "InviteExpired"
    inviter_id: Identifier
    expired_at: UnixTime


class AddressSuppressed(Event):
    """Record that the address receives no more mail."""

    type: Literal["AddressSuppressed"] = "AddressSuppressed"
    address_key: Digest
    reason: Reason
    suppressed_at: UnixTime


InviterEvent = InviterRegistered | InviteAdmitted | BulkAdmitted | InviteClosed | InviteeReleased
SuppressionEvent = AddressSuppressed
InvitationEvent = (
    InviteRequested
    | InviteResent
    | InviteReminded
    | SendingStarted
    | InviteSent
    | MailWithheld
    | SendingPostponed
    | SendingFailed
    | InviteDelivered
    | InviteDelayed
    | InviteBounced
    | InviteComplained
    | Unsubscribed
    | InviteAccepted
    | ReservationWanted
    | SeatReserved
    | SeatRefused
    | InviteDeclined
    | InviteRevoked
    | InviteExpired
)
InviteEvent = Annotated[
    InviterEvent | SuppressionEvent | InvitationEvent, Field(discriminator="type")
]


SubscribedEvent = (
    AccountOpened
    | InviteAdmitted
    | InviteRequested
    | InviteResent
    | InviteReminded
    | InviteAccepted
    | ReservationWanted
    | SeatRefused
    | InviteDeclined
    | InviteRevoked
    | InviteExpired
    | InviteBounced
    | InviteComplained
    | Unsubscribed
)
"""New accounts, and events of the service itself that concern other streams, the mails or the
referrals service."""
SUBSCRIPTION: Final = Subscription(SERVICE, SubscribedEvent)


# Views


class InviterView(View):
    """An inviter as the invites service knows it."""

    member_id: Identifier
    registered_at: UnixTime


InviteState = Literal[
    "requested", "sent", "delivered", "bounced", "failed", "accepted", "declined", "revoked",
    "expired",
]  # fmt: skip


SeatState = Literal["pending", "reserved", "refused"]


class Happening(View):
    """An entry of an invitation's timeline."""

    what: str
    """The state that the invitation reached, or what happened to its mail."""
    at: UnixTime


class InviteView(View):
    """An invitation; its inviter and the holder of its token see parts of it."""

    invite_id: Identifier
    inviter_id: Identifier
    email: KnownAddress
    inviter: str
    """The name that the inviter gave, or the masked address."""
    code: StoredReferralCode | None = None
    state: InviteState = "requested"
    requested_at: UnixTime
    expires_at: UnixTime
    timeline: tuple[Happening, ...] = ()
    token_hash: str = ""
    """Digest of the only valid token."""
    due_at: UnixTime | None = None
    """When the schedule has to act on the invitation."""
    seat: SeatState | None = None
    """Whether the person who accepted has got a seat; None before, and without a code."""


class BulkResult(View):
    """The result of a bulk request."""

    job_id: Identifier
    accepted: int
    rejected: tuple[RowRefused, ...] = ()


# Read models

INVITER_PROFILES: Final = DocumentRef(SERVICE, "inviters", InviterView)
INVITES: Final = BoardRef(SERVICE, "invites", InviteView)
INVITE_TOKENS: Final = IndexRef(SERVICE, "invite-tokens")
"""Digest of an invitation token -> stream of the invitation."""
UNSUBSCRIBE_TOKENS: Final = IndexRef(SERVICE, "unsubscribe-tokens")
"""Digest of an unsubscribe token -> stream of the invitation."""
MAIL_MESSAGES: Final = IndexRef(SERVICE, "mail-messages")
"""Message id of SES -> stream of the invitation."""
BULK_RESULTS: Final = IndexRef(SERVICE, "bulk-results")
"""Job id of a bulk request -> `BulkResult` as JSON."""
ADMITTED_INVITES: Final = IndexRef(SERVICE, "admitted-invites")
