"""Serve what a first screen shows, in one response."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from pydantic import BaseModel

from chassis.views.read_models import Document, ReadModels, ReadModelsLost
from contracts.messages import View
from contracts.points import InviteStatsResponse, LeaderboardPage
from contracts.ranking import ALL_TIME, DAY, Window
from contracts.referrals import ACCOUNTS, MEMBER_CODES, CodesView, UsersEntry
from contracts.streams import MEMBERS
from gateway.api.account_documents import with_all_referrals
from gateway.api.charts import current_statistics
from gateway.api.closed_days import ClosedDays
from gateway.api.code_details import CodeLinks, CodeList
from gateway.api.explanations import Explanations, LedgerPage
from gateway.api.invitations import InvitationList, own_invitations
from gateway.api.leaderboard import DEFAULT_ROWS, Leaderboard
from gateway.api.own_ranks import OwnRank, OwnRanks
from gateway.http.conditional import etag_of, etag_response
from gateway.http.own_documents import OwnDocuments
from gateway.http.problems import Problem, not_found, not_reached, rebuilding
from gateway.http.responses import X_POSITION, Response
from gateway.http.routing import Auth, RequestContext, Route

T = TypeVar("T")

WINDOW: Final[Window] = "7d"
Part = Literal["codes", "invitations", "stats", "ledger", "leaderboard"]


class UnavailablePart(View):
    """A part that cannot be shown at the moment, and the error of its own request."""

    part: Part
    code: str
    detail: str


class Overview(View):
    """What a first screen shows: each part is what its own request returns."""

    position: str
    """The version of your stream that every part includes, as `<stream>@<version>`."""
    account: UsersEntry
    codes: CodeList | None
    invitations: InvitationList | None
    stats: InviteStatsResponse | None
    ledger: LedgerPage | None
    leaderboard: LeaderboardPage | None
    unavailable: tuple[UnavailablePart, ...]
    """The parts that are null, and why."""


@dataclass(frozen=True, slots=True)
class Overviews:
    """Serve the parts of a first screen together.

    Statistics, ledger and leaderboard come from one read, so that their points and ranks agree.
    """

    read_models: ReadModels
    own_documents: OwnDocuments
    own_ranks: OwnRanks
    closed_days: ClosedDays
    explanations: Explanations
    links: CodeLinks
    leaderboard: Leaderboard

    async def show(self, context: RequestContext) -> Response:
        """Return all parts; a part that is not available is null and says why.

        Without the account, which says whether there is anything to show, there is no response.
        """
        account, codes, invitations, own_rank = await asyncio.gather(
            self._account(context),
            _available(self._codes(context)),
            _available(own_invitations(self.read_models, context.caller.subject)),
            _available(self._own_rank(context)),
        )
        stats, ledger, leaderboard = await asyncio.gather(
            _available(self._of(own_rank, self._stats)),
            _available(self._of(own_rank, self._ledger)),
            _available(self._of(own_rank, self._leaderboard)),
        )
        parts: dict[Part, BaseModel | Problem] = {
            "codes": codes if isinstance(codes, Problem) else self.links.list_of(codes),
            "invitations": invitations,
            "stats": stats,
            "ledger": ledger,
            "leaderboard": leaderboard,
        }
        versions = [account.version]
        versions += [] if isinstance(codes, Problem) else [codes.version]
        versions += [] if isinstance(own_rank, Problem) else [own_rank.ledger.version]
        position = f"{MEMBERS.stream(context.caller.subject)}@{min(versions)}"
        etag = _etag(account, position, parts)
        response = etag_response(context, _body(account, position, parts), etag)
        return response.with_headers({X_POSITION: position})

    async def _account(self, context: RequestContext) -> Document[UsersEntry]:
        document = await self.own_documents.load(context, ACCOUNTS)
        if document is None:
            raise not_found("You have no account yet.", code="no_account")
        stream = MEMBERS.stream(context.caller.subject)
        return await with_all_referrals(self.read_models, stream, document)

    async def _codes(self, context: RequestContext) -> CodesView:
        document = await self.own_documents.load(context, MEMBER_CODES)
        if document is None or not document.view.opened:
            raise not_reached()
        return document.view

    async def _own_rank(self, context: RequestContext) -> OwnRank:
        async def read() -> OwnRank | None:
            return await self.own_ranks.load(context.caller.subject, rows=DEFAULT_ROWS)

        own_rank = await self.own_documents.new_enough(context, await read(), read, _version)
        if own_rank is None:
            raise not_reached()
        return own_rank

    async def _of(self, own_rank: OwnRank | Problem, show: Callable[[OwnRank], Awaitable[T]]) -> T:
        if isinstance(own_rank, Problem):
            raise own_rank
        return await show(own_rank)

    async def _stats(self, own_rank: OwnRank) -> InviteStatsResponse:
        return await current_statistics(own_rank, self.closed_days, WINDOW)

    async def _ledger(self, own_rank: OwnRank) -> LedgerPage:
        return await self.explanations.first_page(own_rank.ledger)

    async def _leaderboard(self, own_rank: OwnRank) -> LeaderboardPage:
        if own_rank.board is None:
            raise not_reached()
        own = MEMBERS.stream(own_rank.ledger.member_id)
        return await self.leaderboard.page_of(own, ALL_TIME, own_rank.board, around=True)


async def _available(part: Awaitable[T]) -> T | Problem:
    """Return a part, or the problem because of which it is not available for a moment."""
    try:
        return await part
    except ReadModelsLost:
        return rebuilding()
    except Problem as problem:
        if problem.status == rebuilding().status:
            return problem
        raise


def _version(own_rank: OwnRank | None) -> int:
    return 0 if own_rank is None else own_rank.ledger.version


def _body(
    account: Document[UsersEntry], position: str, parts: dict[Part, BaseModel | Problem]
) -> bytes:
    """Return the JSON of an `Overview` from the bytes of its parts."""
    members = {"position": f'"{position}"'.encode(), "account": account.body}
    for name, part in parts.items():
        members[name] = b"null" if isinstance(part, Problem) else part.model_dump_json().encode()
    missing = [
        UnavailablePart(part=name, code=part.code, detail=part.detail).model_dump_json().encode()
        for name, part in parts.items()
        if isinstance(part, Problem)
    ]
    members["unavailable"] = b"[" + b",".join(missing) + b"]"
    return b"{" + b",".join(b'"%s":%s' % (n.encode(), v) for n, v in members.items()) + b"}"


def _etag(
    account: Document[UsersEntry], position: str, parts: dict[Part, BaseModel | Problem]
) -> str:
    """Return a weak tag: only the times at which the response was made are left out."""
    lasting = [etag_of(account), position, *map(_lasting, parts.values())]
    return f'W/"{zlib.crc32(repr(lasting).encode()):08x}"'


def _lasting(part: BaseModel | Problem) -> object:
    match part:
        case Problem():
            return part.code
        case LeaderboardPage():
            return part.model_copy(update={"as_of": 0})
        case InviteStatsResponse():
            charts = part.invite_chart.points_chart, part.invite_chart.rank_chart
            numbers = part.model_dump(exclude={"invite_chart": True, "meta": {"as_of"}})
            values = [[point.value for point in chart.data] for chart in charts]
            return numbers, values, part.meta.as_of // DAY
        case _:
            return part


ROUTES: Final = (
    Route(
        "GET",
        "/v1/me/overview",
        "get_overview",
        Auth.PERSON,
        Overviews.show,
        summary="What a first screen shows: account, codes, invitations, points, rank, ledger and "
        "the leaderboard around you",
        limits=("reads",),
        prefetch=ACCOUNTS,
        conditional=True,
        response=Overview,
        problems=(404,),
    ),
)
