"""Serve the map of a token: one response with all that a picture of a report needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from pydantic import Field

from contracts.token_map import TokenMap
from gateway.api.clusters import PATH
from gateway.api.report_parts import AtQuery, ReportParts
from gateway.api.reports import Reports
from gateway.api.tokens import EXAMPLE, Tokens
from gateway.http.conditional import etag_response
from gateway.http.problems import not_found
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import Auth, RequestContext, Route
from readthrough import RAO, ReadThrough, Stored

DEFAULT_TOP: Final = "500"
CACHE_SECONDS: Final = 3600
"""Expiry of a map: it is made from a report's parts in milliseconds."""
_LEFT_OUT: Final = ("algorithm", "labelSet", "parameters")
"""Members of a report that a map does not have."""


class MapQuery(AtQuery):
    top: Annotated[
        str,
        Field(
            pattern="^(100|500|1000|5000)$",
            description="The number of the largest holders to show: 100, 500, 1000 or 5000.",
        ),
    ] = DEFAULT_TOP


@dataclass(frozen=True, slots=True)
class TokenMaps:
    """Serve maps of the newest report, and of past ones."""

    tokens: Tokens
    parts: ReportParts
    maps: ReadThrough
    """Key: `<report_key>@<computed at>/<top>`."""

    async def get(self, context: RequestContext) -> Response:
        """Return the map of the newest report, or of the one as of a past time."""
        token, query = self.tokens.in_path(context), read_query(context, MapQuery)
        computed_at = await self.parts.computed_at(context, token, query.at)
        if isinstance(computed_at, Response):
            return computed_at
        found = await self.maps.get(f"{token.report_key}@{computed_at}/{query.top}")
        if found is None:
            detail = "This report was made without a map. Request a new analysis to get one."
            raise not_found(detail, code="no_map")
        return etag_response(context, found.stored.body, f'"{computed_at}-{query.top}"')


def maps_of(reports: Reports, redis: Any) -> ReadThrough:
    """Return the reader of maps, which makes one from the parts of its report."""
    cache = RAO("token-map", client=redis, tte=CACHE_SECONDS)

    async def load(key: str) -> Stored | None:
        report_key, _, top = key.rpartition("/")
        report = await reports.reports.get(report_key)
        holders = await reports.holders.get(report_key)
        graph = await reports.graphs.get(report_key)
        if report is None or holders is None or graph is None:
            return None
        body = map_of(report.stored.body, holders.stored.body, graph.stored.body, int(top))
        return Stored(body, report.stored.computed_at)

    return ReadThrough(cache, load)


def map_of(report: bytes, holders: bytes, graph: bytes, top: int) -> bytes:
    """Return the JSON of a `TokenMap` with the members of clusters and the `top` largest holders.

    All arguments are stored JSON: a `ClusterReport`, a list of `Holder`, and a `ClusterGraph`.
    """
    shown, listed, drawn = orjson.loads(report), orjson.loads(holders), orjson.loads(graph)
    nodes = _nodes(shown["clusters"], listed, drawn["nodes"], top)
    transfers = [
        each
        for each in drawn.get("transfers", ())
        if each["source"] in nodes and each["target"] in nodes
    ]
    clusters = [_without(each, ("members",)) for each in shown["clusters"]]
    return orjson.dumps(
        _without(shown, _LEFT_OUT)
        | {
            "clusters": clusters,
            "nodes": list(nodes.values()),
            "listedHolders": len(listed),
            "transfers": transfers,
        }
    )


def _nodes(
    clusters: Iterable[Mapping[str, Any]],
    listed: list[dict[str, Any]],
    drawn: Iterable[Mapping[str, Any]],
    top: int,
) -> dict[str, dict[str, Any]]:
    """Return the node of each address: members first, then holders, then those in between."""
    nodes: dict[str, dict[str, Any]] = {}
    for cluster in clusters:
        for member in cluster["members"]:
            nodes[member["address"]] = _node(member) | {"clusterId": cluster["id"]}
    for place, holder in enumerate(listed):
        known = nodes.get(holder["address"])
        if known is not None:
            known["rank"] = holder["rank"]
        elif place < top:
            nodes[holder["address"]] = _node(holder) | {"rank": holder["rank"]}
    for each in drawn:
        if each.get("intermediary") and each["id"] not in nodes:
            between = _node({**each, "address": each["id"], "amount": "0"})
            nodes[each["id"]] = between | {"intermediary": True}
    return nodes


def _node(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("address", "amount", "kind", "label", "clusterId", "firstFunder")
    return {name: row[name] for name in names if row.get(name) is not None}


def _without(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


ROUTES: Final = (
    Route(
        "GET",
        f"{PATH}/map",
        "get_token_map",
        Auth.PERSON,
        TokenMaps.get,
        summary="Clusters, largest holders, evidence and transfers: all that a map shows",
        limits=("reads",),
        query=MapQuery,
        conditional=True,
        waits=True,
        pending=True,
        example=EXAMPLE,
        response=TokenMap,
        problems=(404, 422, 501),
    ),
)
