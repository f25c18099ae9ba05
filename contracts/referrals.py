"""Define the messages and views of the referrals service: members, codes and referrals.

A referral is made in two steps: `ReserveReferral` reserves a seat for half an hour, and
`ConfirmReferral`, after the invited person has signed up, takes it, holds it for review or rejects
it. The referrer's stream decides on both, so that no seat is assigned twice.
"""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field
from pydantic.functional_validators import AfterValidator
from pydantic.json_schema import WithJsonSchema

from contracts.display_names import MAX_CHARACTERS, display_name
from contracts.messages import (
    MAX_SAFE_INTEGER,
    Command,
    CommandTime,
    Count,
    Event,
    Identifier,
    KnownAddress,
    Message,
    Personal,
    UnixTime,
    VerifiedAddress,
    View,
)
from contracts.read_models import BoardRef, DocumentRef, IndexRef, ListRef
from contracts.referral_code import (
    CodeState,
    ReferralCode,
    ShownReferralCode,
    StoredReferralCode,
    code_state,
)
from contracts.streams import BOARD_DAYS, MEMBERS, UNKNOWN_CODES
from contracts.subscription import Subscription

SERVICE: Final = "referrals"
DEFAULT_TOTAL_REFERRALS = 10
RESERVED_SECONDS: Final = 30 * 60
"""Seconds for which a seat is reserved."""
MAX_TOTAL_REFERRALS = 2_000
"""Limit of one account, because each seat is part of its state."""
MAX_BOARD_ENTRIES: Final = 100_000
"""More than fit into one commit."""
TEAM_PREFIX = "team:"
"""Prefix of the ids of campaign accounts; no person's id has it."""

Reason = Annotated[str, Field(min_length=3, max_length=280)]
Network = Annotated[str, Field(max_length=64), Personal()]
"""The IP address that a request came from, as the gateway saw it."""
DisplayName = Annotated[
    str,
    AfterValidator(display_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS}),
    Personal(),
]
"""A name that a member chooses for the leaderboards. Several members may have the same name."""
KnownName = Annotated[str, Personal()]
"""A display name in an event or a view, where it is not validated again."""
Seats = Annotated[int, Field(ge=0, le=MAX_TOTAL_REFERRALS)]
Points = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
Uses = Annotated[int, Field(ge=1, le=MAX_TOTAL_REFERRALS)]
CodeKind = Literal["random", "vanity"]


# Commands


class ReferralsCommand(Command):
    """Address the referrals service."""

    service: ClassVar[str] = SERVICE


class MemberCommand(ReferralsCommand):
    """Address the stream of one account."""

    member_id: Identifier

    @property
    def stream(self) -> str:
        return MEMBERS.stream(self.member_id)


class OpenAccount(MemberCommand):
    """Open a member's account and issue its referral code (`create_user`)."""

    excluded_from_hash: ClassVar[frozenset[str]] = frozenset({"network"})
    type: Literal["OpenAccount"] = "OpenAccount"
    email: VerifiedAddress
    network: Network | None = None
    referrer_id: Identifier | None = None
    referral_code: ReferralCode | None = None
    """With `referrer_id`: the code by which the person joined, redeemed after the opening."""


class OpenCampaign(MemberCommand):
    """Open an account of the team, with its code, quota and expiry."""

    type: Literal["OpenCampaign"] = "OpenCampaign"
    code: ReferralCode | None = None
    """The chosen name; default: a random code."""
    shown: ShownReferralCode | None = None
    total_referrals: Seats
    expires_at: CommandTime | None = None
    by: Identifier
    reason: Reason


class IssueCode(MemberCommand):
    """Issue one more code to a member: random, or with a name that the member has chosen."""

    type: Literal["IssueCode"] = "IssueCode"
    kind: CodeKind = "random"
    code: ReferralCode | None = None
    """For `vanity`: the chosen name in the form that is compared."""
    shown: ShownReferralCode | None = None
    """For `vanity`: the chosen name as it is shown."""
    max_uses: Uses | None = None
    """A limit within the member's quota; it reserves no seats."""
    expires_at: CommandTime | None = None


class RotateCode(MemberCommand):
    """Replace a code by a new random one with the same limits; the old one is revoked at once."""

    type: Literal["RotateCode"] = "RotateCode"
    code: ReferralCode


class RevokeCode(MemberCommand):
    """Revoke a code, which cannot be used any more."""

    type: Literal["RevokeCode"] = "RevokeCode"
    code: ReferralCode
    by: Identifier | None = None
    """An administrator; None: the member."""
    reason: Reason | None = None


class ReserveReferral(ReferralsCommand):
    """Reserve a seat for an invited person (`referral_use`), until the reservation expires.

    Reserving again for the same person is the same success, which does not extend the reservation.
    """

    excluded_from_hash: ClassVar[frozenset[str]] = frozenset({"network", "verified", "invite_id"})
    type: Literal["ReserveReferral"] = "ReserveReferral"
    member_id: Identifier | None = None
    """The referrer. None: the code does not exist; the command is sent and rejected nevertheless,
    so that response times do not reveal which codes exist."""
    code: ReferralCode
    invited_user: VerifiedAddress
    network: Network | None = None
    verified: bool = False
    """Whether the address is known to be the caller's, or a program vouches for the caller. To
    others, an address that has used a code looks like one that has not."""
    invite_id: Identifier | None = None
    """The invitation that the person has accepted, if the seat is reserved for that reason."""

    @property
    def stream(self) -> str:
        if self.member_id is None:
            return UNKNOWN_CODES.stream(self.code)
        return MEMBERS.stream(self.member_id)


class RedeemReferral(MemberCommand):
    """Reserve and confirm in one step, for a person who has already signed up."""

    excluded_from_hash: ClassVar[frozenset[str]] = frozenset({"network"})
    type: Literal["RedeemReferral"] = "RedeemReferral"
    code: ReferralCode
    invited_user: VerifiedAddress
    invited_id: Identifier
    network: Network | None = None


class UseCommand(MemberCommand):
    """Change one use of a code; `member_id` is the referrer's."""

    use_id: Identifier


class ConfirmReferral(UseCommand):
    """Take the seat: the invited person has signed up as `invited_id`.

    The event is `ReferralConfirmed`, `ReferralDelayed`, `ReferralHeld` or `ReferralRejected`.
    Confirming again is the same success.
    """

    excluded_from_hash: ClassVar[frozenset[str]] = frozenset({"network"})
    type: Literal["ConfirmReferral"] = "ConfirmReferral"
    invited_id: Identifier
    invited_user: VerifiedAddress | None = None
    """The verified address of the person, if it is known; it must be the one that was invited."""
    network: Network | None = None


class ReleaseReferral(UseCommand):
    """Release a reserved seat."""

    type: Literal["ReleaseReferral"] = "ReleaseReferral"


class SettleReferrals(MemberCommand):
    """Expire overdue reservations and confirm referrals whose delay has passed."""

    type: Literal["SettleReferrals"] = "SettleReferrals"


class GrantQuota(MemberCommand):
    """Set how many people a member can refer in total."""

    type: Literal["GrantQuota"] = "GrantQuota"
    total_referrals: Seats
    by: Identifier
    reason: Reason


class ApproveReferral(UseCommand):
    """Confirm a held or delayed referral after a review."""

    type: Literal["ApproveReferral"] = "ApproveReferral"
    by: Identifier
    reason: Reason


class RejectReferral(UseCommand):
    """Reject a held or delayed referral after a review."""

    type: Literal["RejectReferral"] = "RejectReferral"
    by: Identifier
    reason: Reason


class ReverseReferral(UseCommand):
    """Reverse a confirmed referral and deduct its points."""

    type: Literal["ReverseReferral"] = "ReverseReferral"
    by: Identifier
    reason: Reason


class CreditReferred(MemberCommand):
    """Credit an invited member with points for joining by a referral."""

    type: Literal["CreditReferred"] = "CreditReferred"
    referrer_id: Identifier
    use_id: Identifier


class WithdrawCredit(MemberCommand):
    """Withdraw the credit of a referral that was reversed."""

    type: Literal["WithdrawCredit"] = "WithdrawCredit"
    use_id: Identifier


class SetProfile(MemberCommand):
    """Set what other members see of the member on the leaderboards."""

    type: Literal["SetProfile"] = "SetProfile"
    display_name: DisplayName | None = None
    """None: the masked address is shown."""
    on_boards: bool = True
    """False: the member's rows are anonymous for others."""


class ClearDisplayName(MemberCommand):
    """Remove the name that a member has chosen for the leaderboards."""

    type: Literal["ClearDisplayName"] = "ClearDisplayName"
    by: Identifier
    reason: Reason


class BoardLevel(Message):
    """Count the members that have a number of points."""

    points: Points
    members: Count


class BoardPlace(Message):
    """Describe a member among the first on a board."""

    member_id: Identifier
    display_name: Annotated[str, Field(max_length=400)]
    points: Points


Board = Annotated[str, Field(pattern=r"^(all|\d{4}-(0[1-9]|1[0-2]))$")]
"""`all`, or a month such as 2026-11, whose board counts that month's points only."""
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class CloseDay(ReferralsCommand):
    """Store the state of a board at the end of a day (UTC); only the first command does."""

    excluded_from_hash: ClassVar[frozenset[str]] = frozenset({"counted_by"})
    type: Literal["CloseDay"] = "CloseDay"
    board: Board
    day: Day
    levels: Annotated[tuple[BoardLevel, ...], Field(max_length=MAX_BOARD_ENTRIES)]
    """From the most points to the least."""
    first: Annotated[tuple[BoardPlace, ...], Field(max_length=MAX_BOARD_ENTRIES)]
    """The first hundred."""
    counted_by: Count = 0
    """Version of the fold that has counted every member; 0: not every stream could be read."""

    @property
    def stream(self) -> str:
        return BOARD_DAYS.stream(f"{self.board}.{self.day}")


BoardCommand = CloseDay
AccountCommand = (
    OpenAccount
    | OpenCampaign
    | IssueCode
    | RotateCode
    | RevokeCode
    | ReserveReferral
    | RedeemReferral
    | ConfirmReferral
    | ReleaseReferral
    | SettleReferrals
    | GrantQuota
    | ApproveReferral
    | RejectReferral
    | ReverseReferral
    | CreditReferred
    | WithdrawCredit
    | SetProfile
    | ClearDisplayName
)
ReferralCommand = Annotated[BoardCommand | AccountCommand, Field(discriminator="type")]


# Events


class AccountOpened(Event):
    """Record that a member's account was opened."""

    type: Literal["AccountOpened"] = "AccountOpened"
    member_id: Identifier
    email: KnownAddress
    total_referrals: Annotated[int, Field(ge=0)]
    opened_at: UnixTime
    network: Network | None = None


class CodeBrought(Event):
    """Record the code by which a new member joined; it is redeemed next."""

    type: Literal["CodeBrought"] = "CodeBrought"
    member_id: Identifier
    referrer_id: Identifier
    code: StoredReferralCode
    email: KnownAddress
    network: Network | None = None
    brought_at: UnixTime


class CampaignOpened(Event):
    """Record that an account of the team was opened."""

    type: Literal["CampaignOpened"] = "CampaignOpened"
    member_id: Identifier
    total_referrals: Seats
    opened_at: UnixTime
    by: Identifier
    reason: Reason


class CodeIssued(Event):
    """Record that the account received a code."""

    type: Literal["CodeIssued"] = "CodeIssued"
    member_id: Identifier
    code: StoredReferralCode
    issued_at: UnixTime
    kind: CodeKind = "random"
    shown: ShownReferralCode | None = None
    max_uses: Uses | None = None
    expires_at: UnixTime | None = None


class CodeRevoked(Event):
    """Record that a code can no longer be used."""

    type: Literal["CodeRevoked"] = "CodeRevoked"
    member_id: Identifier
    code: StoredReferralCode
    revoked_at: UnixTime
    replaced_by: StoredReferralCode | None = None
    """The new code, if this one was rotated."""
    by: Identifier | None = None
    reason: Reason | None = None


class QuotaGranted(Event):
    """Record that the number of people that the member can refer in total was set."""

    type: Literal["QuotaGranted"] = "QuotaGranted"
    member_id: Identifier
    total_referrals: Seats
    by: Identifier
    reason: Reason
    granted_at: UnixTime


class ProfileSet(Event):
    """Record what other members see of the member on the leaderboards from now on."""

    type: Literal["ProfileSet"] = "ProfileSet"
    member_id: Identifier
    display_name: KnownName | None = None
    """None: the masked address."""
    on_boards: bool = True
    """False: the member's rows are anonymous for others."""
    by: Identifier | None = Field(None, exclude_if=lambda by: by is None)
    """An administrator; None: the member."""
    reason: Reason | None = Field(None, exclude_if=lambda reason: reason is None)
    set_at: UnixTime


class ScoreComponent(Message):
    """Describe a sign for or against a referral, and its points."""

    name: str
    points: int
    detail: str


Band = Literal["confirm", "delay", "hold", "reject"]


class Assessment(Message):
    """Record the result of the guards, so that it can be explained and other rules compared."""

    rules_version: int
    score: Annotated[int, Field(ge=0, le=100)]
    band: Band
    components: tuple[ScoreComponent, ...] = ()


class UseEvent(Event):
    """Record a fact about one use of a code; `member_id` is the referrer's."""

    member_id: Identifier
    use_id: Identifier


class ReferralReserved(UseEvent):
    """Record that a seat is reserved until `expires_at`."""

    type: Literal["ReferralReserved"] = "ReferralReserved"
    code: StoredReferralCode
    invited_user: KnownAddress
    network: Network | None = None
    reserved_at: UnixTime
    expires_at: UnixTime
    invite_id: Identifier | None = None
    """The accepted invitation that the seat was reserved for."""


class ReferralConfirmed(UseEvent):
    """Record that the invited person counts as referred by this member, and by no other."""

    type: Literal["ReferralConfirmed"] = "ReferralConfirmed"
    invited_id: Identifier
    network: Network | None = None
    address_digest: str
    """Digest that claims the person's address in all its spellings."""
    assessment: Assessment | None = None
    """None if the referral was assessed when it was held or delayed."""
    by: Identifier | None = None
    """The administrator who approved it."""
    reason: Reason | None = None
    confirmed_at: UnixTime
    team: bool = False
    """True if a campaign referred the person; campaigns earn no points."""


class ReferralDelayed(UseEvent):
    """Record that the referral will be confirmed at `until`, unless it is rejected before."""

    type: Literal["ReferralDelayed"] = "ReferralDelayed"
    invited_id: Identifier
    network: Network | None = None
    assessment: Assessment
    delayed_at: UnixTime
    until: UnixTime


class ReferralHeld(UseEvent):
    """Record that an administrator must review the referral."""

    type: Literal["ReferralHeld"] = "ReferralHeld"
    invited_id: Identifier
    network: Network | None = None
    assessment: Assessment
    held_at: UnixTime


class ReferralRejected(UseEvent):
    """Record that the referral does not count; the seat is free again."""

    type: Literal["ReferralRejected"] = "ReferralRejected"
    invited_id: Identifier
    network: Network | None = None
    reason: Reason
    assessment: Assessment | None = None
    by: Identifier | None = None
    rejected_at: UnixTime


class ReferralReleased(UseEvent):
    """Record that the reservation was given up; its seat is free again."""

    type: Literal["ReferralReleased"] = "ReferralReleased"
    released_at: UnixTime


class ReferralExpired(UseEvent):
    """Record that the reservation was not confirmed in time; its seat is free again."""

    type: Literal["ReferralExpired"] = "ReferralExpired"
    expired_at: UnixTime


class ReferralReversed(UseEvent):
    """Record that the referral was confirmed, and does not count any more."""

    type: Literal["ReferralReversed"] = "ReferralReversed"
    invited_id: Identifier
    by: Identifier
    reason: Reason
    confirmed_at: UnixTime
    """Time of its confirmation, whose rules determine the points that are deducted."""
    reversed_at: UnixTime
    team: bool = False
    """True if a campaign referred the person. False in older events of campaigns, too, whose
    accounts are known by their prefix."""


class ReferredCredited(Event):
    """Record, on the invited member's stream, who referred the member."""

    type: Literal["ReferredCredited"] = "ReferredCredited"
    member_id: Identifier
    referrer_id: Identifier
    use_id: Identifier
    credited_at: UnixTime


class CreditWithdrawn(Event):
    """Record that the credit was withdrawn: the referral was reversed."""

    type: Literal["CreditWithdrawn"] = "CreditWithdrawn"
    member_id: Identifier
    use_id: Identifier
    credited_at: UnixTime
    withdrawn_at: UnixTime


class DayClosed(Event):
    """Record the state of a board at the end of a day, from which all ranks of that day follow."""

    type: Literal["DayClosed"] = "DayClosed"
    board: Board
    day: Day
    members: int
    levels: tuple[BoardLevel, ...]
    first: tuple[BoardPlace, ...]
    counted_by: int = 0
    """Version of the fold that has counted every member; the next day can be counted from it."""
    closed_at: UnixTime


ReferralResult = (
    ReferralConfirmed
    | ReferralDelayed
    | ReferralHeld
    | ReferralRejected
    | ReferralReleased
    | ReferralExpired
    | ReferralReversed
)
"""All events that can follow a referral's reservation."""
ReferralStep = ReferralReserved | ReferralResult
"""All events of one referral."""
BoardEvent = DayClosed
AccountEvent = (
    AccountOpened
    | CampaignOpened
    | CodeBrought
    | CodeIssued
    | CodeRevoked
    | QuotaGranted
    | ReferralReserved
    | ReferralConfirmed
    | ReferralDelayed
    | ReferralHeld
    | ReferralRejected
    | ReferralReleased
    | ReferralExpired
    | ReferralReversed
    | ReferredCredited
    | CreditWithdrawn
    | ProfileSet
)
ReferralEvent = Annotated[BoardEvent | AccountEvent, Field(discriminator="type")]


SubscribedEvent = CodeBrought | ReferralConfirmed | ReferralReversed
"""Events of the service itself: an event of one member can concern another member's stream."""
SUBSCRIPTION: Final = Subscription(SERVICE, SubscribedEvent)


# Views


class Referral(View):
    """A person who was referred by a member, as part of the member's account."""

    invited_user: str
    timestamp: UnixTime
    confirmed: bool
    use_id: Identifier | None = None


class UsersEntry(View):
    """A member's account, as the member sees it.

    used + pending + remaining = total; a referral is valid while some remain.
    """

    user: KnownAddress
    referral_code: ShownReferralCode | None = None
    referrals: tuple[Referral, ...] = ()
    total_referrals: int
    referrals_used: int
    referrals_pending: int
    referrals_remaining: int
    referral_is_valid: bool
    codes: tuple[ShownReferralCode, ...] = ()
    """All codes that have not been revoked."""
    display_name: KnownName | None = Field(None, exclude_if=lambda name: name is None)
    """The name that others see on the leaderboards; absent if the member has chosen none."""
    on_boards: bool = Field(default=True, exclude_if=lambda shown: shown)
    """False if others see the member's rows without a name; absent if not."""


class NumberedReferral(Referral):
    """A person who was referred, as an item of a list."""

    number: int
    """Its place among the items of the list."""


class MoreReferrals(View):
    """The number of a member's referrals that are not part of the account but items of a list."""

    used: int = 0
    pending: int = 0
    added: int = 0
    """Items that were ever added; the next one has this number."""


class StoredAccount(UsersEntry):
    """A member's account as it is stored: with its referrals, as far as they are not too many.

    The bytes of an account whose referrals are all part of it are those of a `UsersEntry`.
    """

    more: MoreReferrals | None = Field(None, exclude_if=lambda more: more is None)

    def with_listed(self, listed: Iterable[Referral]) -> UsersEntry:
        """Return the account with all of its referrals, of which these are items of the list."""
        fields = {name: getattr(self, name) for name in UsersEntry.model_fields}
        others = (
            Referral.model_construct(
                invited_user=each.invited_user,
                timestamp=each.timestamp,
                confirmed=each.confirmed,
                use_id=each.use_id,
            )
            for each in listed
        )
        return UsersEntry(**fields | {"referrals": (*self.referrals, *others)})


INLINE_REFERRALS: Final = 50
"""Referrals that are part of the document of an account; the others are items of a list."""
_MORE: Final = b',"more":{'


def lacks_referrals(body: bytes) -> bool:
    """Return whether some referrals of a stored account are items of the list."""
    return _MORE in body[-100:]  # it is the last field, and has three numbers


class ReferralValidity(View):
    """Whether a code can be used now; unknown, spent and revoked codes are not distinguished."""

    valid: bool


class CodeView(View):
    """A referral code, its terms, and how often it has been used."""

    code: StoredReferralCode
    shown: ShownReferralCode
    kind: CodeKind
    uses: int = 0
    """Seats that are reserved or taken with it."""
    max_uses: int | None = None
    expires_at: UnixTime | None = None
    revoked: bool = False
    replaced_by: StoredReferralCode | None = None
    issued_version: int = 0
    """Version of the member's stream at which it was issued."""


class CodesView(View):
    """A member's codes, with everything that decides whether one can be used."""

    member_id: Identifier
    opened: bool = False
    version: int = 0
    """Version of the member's stream that it reflects."""
    remaining: int = 0
    """Number of people whom the member can still refer."""
    codes: tuple[CodeView, ...] = ()
    open_uses: dict[str, StoredReferralCode] = Field(default_factory=dict)
    """Use id -> code, for seats that are reserved or taken, `INLINE_REFERRALS` at most."""
    more_uses: int = 0
    """Number of the other seats, whose codes are items of a list."""

    def state_of(self, code: CodeView, at: float) -> CodeState:
        """Return whether one of these codes can be used at a time (UNIX seconds)."""
        return code_state(code, uses=code.uses, remaining=self.remaining, at=at)

    def find(self, code: str) -> CodeView | None:
        """Return one of these codes by its stored form."""
        return next((each for each in self.codes if each.code == code), None)


class CodeUse(View):
    """The code of a seat that is reserved or taken."""

    code: StoredReferralCode


UseState = Literal[
    "reserved", "delayed", "held", "confirmed", "rejected", "released", "expired", "reversed"
]
ShownState = Literal[
    "reserved", "confirmed", "held", "rejected", "released", "expired", "reversed"
]  # fmt: skip


def shown_state(state: UseState) -> ShownState:
    """Return the state for clients: to the two people concerned, a delay is a kind of hold."""
    return "held" if state == "delayed" else state


class UseView(View):
    """One use of a member's codes, as the member sees it."""

    use_id: Identifier
    invited_user: str
    """The masked address."""
    code: StoredReferralCode
    state: UseState
    reserved_at: UnixTime
    expires_at: UnixTime
    settled_at: UnixTime | None = None
    """When it reached its current state."""
    invited_id: Identifier | None = None
    number: int = 0
    """Its place among all reservations of the member, from 0."""
    invite_id: Identifier | None = None
    """The invitation that brought the person, if there was one."""


class UsesSummary(View):
    """The number of reservations that a member's list of referrals has had."""

    member_id: Identifier
    reserved: int = 0


class Case(View):
    """A referral that waits for an administrator's decision, or for its delay to pass."""

    use_id: Identifier
    invited_user: KnownAddress
    invited_id: Identifier
    state: Literal["held", "delayed"]
    since: UnixTime
    until: UnixTime | None = None
    assessment: Assessment


class CasesView(View):
    """The open cases of one referrer, and the addresses of its reserved seats."""

    member_id: Identifier
    cases: tuple[Case, ...] = ()
    reserved: dict[str, KnownAddress] = Field(default_factory=dict)


class DueView(View):
    """When a member's referrals expire or are confirmed by the passage of time."""

    member_id: Identifier
    due: dict[str, UnixTime] = Field(default_factory=dict)


# Read models

ACCOUNT_LISTS: Final = ListRef(SERVICE, "members", StoredAccount, NumberedReferral)
"""Accounts; those of their referrals that are items are in the order `MORE_REFERRALS`."""
MORE_REFERRALS: Final = "more"
ACCOUNTS: Final = DocumentRef(SERVICE, ACCOUNT_LISTS.name, UsersEntry)
"""The documents of accounts: complete, unless they have too many referrals."""
CODE_OWNERS: Final = IndexRef(SERVICE, "codes")
"""Referral code -> stream of its owner."""
CODE_LISTS: Final = ListRef(SERVICE, "member-codes", CodesView, CodeUse)
MEMBER_CODES: Final = DocumentRef(SERVICE, CODE_LISTS.name, CODE_LISTS.view)
REFERRALS: Final = ListRef(SERVICE, "use-list", UsesSummary, UseView)
"""Ordered by number, in the order `ALL_REFERRALS` and in one order for each `ShownState`."""
REFERRALS_SUMMARY: Final = DocumentRef(REFERRALS.service, REFERRALS.name, REFERRALS.view)
ALL_REFERRALS: Final = "all"
REFERRAL_OWNERS: Final = IndexRef(SERVICE, "use-owners")
"""Use id -> stream of the referrer."""
INVITED_USES: Final = IndexRef(SERVICE, "invited-uses")
"""Invitation id -> id of the use that the accepted invitation led to."""
DUE_REFERRALS: Final = BoardRef(SERVICE, "due", DueView)
REVIEW_CASES: Final = BoardRef(SERVICE, "cases", CasesView)
