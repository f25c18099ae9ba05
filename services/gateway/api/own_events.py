"""Stream what changes for the caller: account, invitations, points and rank."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final
from zlib import crc32

from aiohttp import web
from pydantic import Field

from chassis.views.read_models import ReadModels
from contracts.messages import View
from contracts.streams import INVITATIONS, INVITERS, MEMBERS
from gateway.api.account_documents import load_account
from gateway.api.invitations import own_invitations
from gateway.api.own_ranks import OwnRank, OwnRanks
from gateway.http.bodies import Body
from gateway.http.event_topics import State, Topic, document_state
from gateway.http.problems import FieldError, invalid
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import Auth, RequestContext, Route
from gateway.http.sse import EventStreams

LOOK_SECONDS: Final = 5.0
"""How often to look for changes that are not published: of other members, and of mails."""
ENDED: Final = frozenset({"accepted", "declined", "revoked", "expired"})
"""States of an invitation after which nothing happens to it."""


class EventsQuery(Body):
    topics: Annotated[
        str,
        Field(
            max_length=100,
            description="`account`, `invitations`, `points`, `rank`, or several of them, "
            "separated by commas.",
        ),
    ] = "account"


class PointsAndRank(View):
    """The caller's points and rank, which belong together."""

    points: int
    pending: int
    """Points that wait to be confirmed."""
    invited: int
    """People with a confirmed referral."""
    rank: int | None
    """Null for a member who is not ranked, and while the leaderboard lags behind the points."""
    total: int | None
    """Number of ranked members; null while the leaderboard lags behind the points."""
    position: str
    """The version of your stream that both reflect, as `<stream>@<version>`."""
    board_position: str | None
    """The state of the leaderboard; null while it lags behind the points."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Hold what topics are loaded from."""

    read_models: ReadModels
    own_ranks: OwnRanks


@dataclass(frozen=True, slots=True)
class OwnEvents:
    """Stream the caller's own topics."""

    sources: Sources
    streams: EventStreams

    async def stream(self, context: RequestContext) -> Response | web.StreamResponse:
        """Send each requested topic now, and whenever it changes."""
        names = _topics(read_query(context, EventsQuery).topics)
        member_id = context.caller.subject
        topics = [_TOPICS[name](self.sources, member_id) for name in names]
        return await self.streams.serve(context, MEMBERS.stream(member_id), topics)


def _topics(text: str) -> list[str]:
    """Return the requested topics, each once; `account` first.

    Raises:
        Problem: 422 for an unknown one.
    """
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in _TOPICS]:
        detail = f"There is no topic {unknown[0]!r}. Choose from {', '.join(_TOPICS)}."
        raise invalid([FieldError("topics", detail)])
    return [name for name in _TOPICS if name in names]


async def _account(given: Sources, member_id: str) -> State | None:
    return document_state(await load_account(given.read_models, MEMBERS.stream(member_id)))


async def _points(given: Sources, member_id: str) -> State | None:
    """Return points and rank at the version of the ledger, and again once the rank is known."""
    if (own_rank := await given.own_ranks.load_summary(member_id)) is None:
        return None
    is_complete = own_rank.board is not None
    return State((own_rank.ledger.version, int(is_complete)), _shown(own_rank))


async def _rank(given: Sources, member_id: str) -> State | None:
    own_rank = await given.own_ranks.load_summary(member_id)
    if own_rank is None or own_rank.board is None:
        return None
    return State((own_rank.rank or 0,), _shown(own_rank))


def _shown(own_rank: OwnRank) -> bytes:
    ledger = own_rank.ledger
    shown = PointsAndRank(
        points=ledger.points,
        pending=ledger.pending,
        invited=ledger.invited,
        rank=own_rank.rank,
        total=own_rank.total,
        position=own_rank.position,
        board_position=own_rank.board_position,
    )
    return shown.model_dump_json().encode()


async def _invitations(given: Sources, member_id: str) -> State | None:
    """Return the newest invitations, as the list of them begins.

    They come from several streams and have no version: a checksum shows whether they changed.
    """
    page = await own_invitations(given.read_models, member_id)
    body = page.model_dump_json().encode()
    pending = (item.invite_id for item in page.items if item.state not in ENDED)
    streams = frozenset({INVITERS.stream(member_id), *map(INVITATIONS.stream, pending)})
    return State((crc32(body),), body, streams=streams)


def _topic(
    name: str,
    load: Callable[[Sources, str], Awaitable[State | None]],
    *,
    is_ordered: bool = True,
    is_looked_for: bool = False,
) -> Callable[[Sources, str], Topic]:
    def topic(given: Sources, member_id: str) -> Topic:
        look_seconds = LOOK_SECONDS if is_looked_for else None
        return Topic(name, partial(load, given, member_id), is_ordered, look_seconds)

    return topic


_TOPICS: Final[Mapping[str, Callable[[Sources, str], Topic]]] = {
    "account": _topic("account", _account),
    "invitations": _topic("invitations", _invitations, is_ordered=False, is_looked_for=True),
    "points": _topic("points", _points, is_looked_for=True),
    "rank": _topic("rank", _rank, is_ordered=False, is_looked_for=True),
}

ROUTES: Final = (
    Route(
        "GET",
        "/v1/me/events",
        "stream_me",
        Auth.PERSON,
        OwnEvents.stream,
        summary="Your account, invitations, points and rank, now and whenever they change "
        "(server-sent events)",
        limits=("reads",),
        query=EventsQuery,
        example={"topics": "account,invitations,points,rank"},
        streams=True,
    ),
)
