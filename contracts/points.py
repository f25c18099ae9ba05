"""Where members stand: points with their causes, places on the boards, and charts of both."""

from typing import Final, Literal

from pydantic import Field

from contracts.messages import Identifier, UnixTime, View
from contracts.read_models import BoardRef, DocumentRef, IndexRef
from contracts.referrals import SERVICE, Board

EntryState = Literal["pending", "confirmed", "void"]
PointsReason = Literal["referral", "was_referred", "referral_reversed", "credit_withdrawn"]


class LedgerEntry(View):
    """Why a member has these points."""

    delta: int
    state: EntryState
    """Only `confirmed` counts; `void` came to nothing."""
    reason: PointsReason
    cause: str
    """The event that it follows from, as `<stream>@<version>`."""
    use_id: Identifier
    at: UnixTime
    settled_at: UnixTime | None = None
    """From when on it counts, or came to nothing."""
    rules_version: int


class PointsView(View):
    """A member's ledger. The points of any time are the sum of what counted by then."""

    member_id: Identifier
    since: UnixTime = 0
    """When the account was opened."""
    version: int = 0
    """How many events of the stream it stands for."""
    points: int = 0
    pending: int = 0
    invited: int = 0
    """How many people have been referred for good."""
    total_invites: int = 0
    entries: tuple[LedgerEntry, ...] = ()


class StandingView(View):
    """What puts a member on the boards."""

    member_id: Identifier
    display_name: str = ""
    """Masked. Empty: the account is not open yet."""
    points: int = 0
    reached_at: UnixTime = 0
    """When the points became what they are: of equals, who was first stands first."""
    months: dict[str, int] = Field(default_factory=dict)
    reached_in: dict[str, UnixTime] = Field(default_factory=dict)


class ChartPoint(View):
    timestamp: UnixTime
    value: int


class ChartResponse(View):
    num_datapoints: int
    timestamp_min: UnixTime | None
    timestamp_max: UnixTime | None
    value_min: int | None
    value_max: int | None
    data: tuple[ChartPoint, ...]


class InviteChartResponse(View):
    points_chart: ChartResponse
    rank_chart: ChartResponse


class StatsMeta(View):
    as_of: UnixTime
    window: str
    pending: int
    position: str


class InviteStatsResponse(View):
    """How a member's invitations go (`invite_stats`)."""

    points: int
    points_difference: int
    """Now against the start of the window."""
    rank: int | None
    """None: nobody has kept how the board stood then."""
    total_rank: int | None
    rank_difference: int | None
    """Negative: the member has climbed."""
    invited: int
    total_invites: int
    invite_chart: InviteChartResponse
    meta: StatsMeta


class ChartsResponse(View):
    """The series that were asked for."""

    points: ChartResponse | None = None
    rank: ChartResponse | None = None


class LeaderboardRow(View):
    rank: int
    """One more than the number of members with more points: equal points, equal rank."""
    display_name: str
    points: int
    is_me: bool


class LeaderboardPage(View):
    board: Board
    as_of: UnixTime
    total: int
    me: LeaderboardRow | None = None
    """The caller's own row, on this page or not."""
    items: tuple[LeaderboardRow, ...]
    next: str | None = None
    """Cursor of the next page."""


class LedgerPage(View):
    points: int
    pending: int
    items: tuple[LedgerEntry, ...]
    next: str | None = None


# Read models

POINTS: Final = DocumentRef(SERVICE, "points", PointsView)
LEADERBOARD: Final = BoardRef(SERVICE, "leaderboard", StandingView)
CLOSED_DAYS: Final = IndexRef(SERVICE, "closes")
"""`<board>.<day>` -> the closed day, as JSON of `DayClosed`."""
