"""Define the views of points: the ledger, leaderboards, statistics and charts."""

from typing import Annotated, Final, Literal

from pydantic import Field

from contracts.messages import Identifier, Personal, UnixTime, View
from contracts.read_models import BoardRef, DocumentRef, IndexRef, ListRef
from contracts.referrals import SERVICE, Board, Day, KnownName

EntryState = Literal["pending", "confirmed", "void"]
PointsReason = Literal["referral", "was_referred", "referral_reversed", "credit_withdrawn"]


class LedgerEntry(View):
    """One change of a member's points, and its cause."""

    delta: int
    """Points added; negative if they were deducted."""
    state: EntryState
    """Only `confirmed` entries count; `pending` ones may count later, `void` ones never will."""
    reason: PointsReason
    cause: str
    """The event that caused it, as `<stream>@<version>`."""
    use_id: Identifier
    at: UnixTime
    settled_at: UnixTime | None = None
    """When it was confirmed, or became void."""
    rules_version: int
    """Version of the rules that set the points."""


class NumberedEntry(LedgerEntry):
    """An entry with its place in the ledger, from 0."""

    number: int


class PointsView(View):
    """A member's ledger. The points at any time are the sum of the entries that counted by then."""

    member_id: Identifier
    since: UnixTime = 0
    """When the account was opened."""
    version: int = 0
    """Version of the member's stream that it reflects."""
    points: int = 0
    pending: int = 0
    """Points that wait to be confirmed."""
    invited: int = 0
    """People with a confirmed referral."""
    total_invites: int = 0
    """How many people the member can refer in total."""
    added: int = 0
    """Number of entries that were added."""
    entries: tuple[LedgerEntry, ...] = ()
    """Stored one by one: empty in the stored summary."""


class StandingView(View):
    """What ranks a member on the leaderboards."""

    member_id: Identifier
    display_name: str = ""
    """What other members see: the chosen name, the masked address, or `ANONYMOUS`; empty if the
    account is not open yet."""
    points: int = 0
    reached_at: UnixTime = 0
    """When the points reached this value: of equal members, the earlier one is listed first."""
    months: dict[str, int] = Field(default_factory=dict)
    """Month -> points that were earned in it."""
    reached_in: dict[str, UnixTime] = Field(default_factory=dict)
    """Month -> when its points reached their value."""
    masked_address: Annotated[str, Personal()] = ""
    """Empty in views that older versions have stored: `display_name` is the masked address then."""
    chosen_name: KnownName | None = None
    on_boards: bool = True
    """False: the member's rows are anonymous for others."""

    @property
    def own_name(self) -> str:
        """What the member sees of itself: the chosen name or the masked address."""
        return self.chosen_name or self.address_shown

    @property
    def address_shown(self) -> str:
        """The masked address, by which people who know the member recognise it."""
        return self.masked_address or self.display_name


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
    """Points that wait to be confirmed."""
    position: str
    """The version of your stream that points and rank reflect, as `<stream>@<version>`."""
    board_position: str | None = None
    """The state of the leaderboard: ranks of the same state belong together. Null for the past,
    and while the leaderboard lags behind the ledger, when the rank is null as well."""


class InviteStatsResponse(View):
    """The results of a member's invitations in a window of time."""

    points: int
    points_difference: int
    """The end of the window compared with its start."""
    rank: int | None
    """Null if you are not ranked, if no leaderboard was stored for that day, or while the
    leaderboard lags behind your points."""
    total_rank: int | None
    """Number of ranked members; null if it is unknown."""
    rank_difference: int | None
    """Negative if the member has improved; null if one of the ranks is unknown."""
    invited: int
    """People with a confirmed referral."""
    total_invites: int
    """How many people the member can refer in total."""
    invite_chart: InviteChartResponse
    meta: StatsMeta


class ChartsResponse(View):
    """The series that were requested."""

    points: ChartResponse | None = None
    rank: ChartResponse | None = None


class LeaderboardRow(View):
    rank: int
    """One more than the number of members with more points, so equal points share a rank."""
    display_name: str
    """The name that the member has chosen, or the masked address; `A member` for others if the
    row is anonymous. Several members may have the same name."""
    points: int
    is_me: bool
    anonymous: bool = False
    """True if the member does not want to be seen by others, who get no name."""


class LeaderboardPage(View):
    board: Board
    as_of: UnixTime
    position: str | None = None
    """The version of your stream that the board reflects, as `<stream>@<version>`: statistics of
    the same position have the same points. Null for a past day, and without an account."""
    board_position: str | None = None
    """The state of the board: ranks of the same state belong together. Null for a past day."""
    total: int
    me: LeaderboardRow | None = None
    """The caller's row, whether or not it is on this page."""
    items: tuple[LeaderboardRow, ...]
    next: str | None = None
    """Cursor of the next page."""


class ClosedBoard(View):
    """A board at the end of a day that was closed."""

    board: Board
    day: Day
    members: int


# Read models

POINTS: Final = ListRef(SERVICE, "ledger", PointsView, NumberedEntry)
"""Ordered by number, in the order `ALL_ENTRIES`."""
POINTS_SUMMARY: Final = DocumentRef(POINTS.service, POINTS.name, POINTS.view)
ALL_ENTRIES: Final = "all"
ANONYMOUS: Final = "A member"
"""The name of a member who does not want to be seen on boards."""
LEADERBOARD: Final = BoardRef(SERVICE, "leaderboard", StandingView)
CLOSED_BOARDS: Final = BoardRef(SERVICE, "closed-boards", ClosedBoard)
"""Ordered in `ENDED_MONTHS`: the last day of each month's board, the latest month first."""
ENDED_MONTHS: Final = "ended-months"
CLOSED_DAYS: Final = IndexRef(SERVICE, "closes")
"""`<board>.<day>` -> the closed day, as JSON of `DayClosed`."""
