"""The rows of the table that concern chains, token clusters and jobs."""

from typing import Any, Final

from contracts.cluster_report import (
    ClusterGraph,
    HistoryPage,
    HoldersPage,
    ReportDiff,
    ServedReport,
)
from contracts.compute import AnalysisView
from gateway.api import clusters as do
from gateway.api import jobs
from gateway.http.bodies import Empty
from gateway.http.endpoints import legacy_route, write
from gateway.http.routing import Auth, Route

_TOKEN: Final = {"chain": "ethereum", "token_address": "0x" + "ab" * 20}
_JOB: Final = {"job_id": "analysis-1-0x" + "ab" * 20}
_CLUSTER: Final = "/v1/tokens/cluster/{chain}/{token_address}"
_PLANNED: Final = {
    "/v1/tokens/metadata": "get_token_metadata",
    "/v1/tokens/score": "get_token_score",
    "/v1/tokens/audit": "get_token_audit",
    "/v1/tokens/holderchart": "get_token_holder_chart",
    "/v1/tokens/simulations": "get_token_simulations",
    "/v1/chart": "get_chart",
}

CLUSTER_ROUTES: Final[tuple[Route[Any], ...]] = (
    legacy_route(
        "GET",
        "/v1/chains",
        "list_chains",
        Auth.PUBLIC,
        do.list_chains,
        summary="The chains whose tokens can be asked about, in every spelling that paths take.",
        limits=("documents",),
        response=do.Chains,
    ),
    legacy_route(
        "GET",
        _CLUSTER,
        "get_cluster_analysis",
        Auth.PERSON,
        do.get_cluster,
        summary="Which wallets hold this token together; asked for if nobody has looked yet.",
        limits=("reads",),
        query=do.ClusterQuery,
        conditional=True,
        waits=True,
        pending=True,
        example=_TOKEN,
        response=ServedReport,
        problems=(404, 422, 501),
    ),
    legacy_route(
        "POST",
        f"{_CLUSTER}/refresh",
        "refresh_cluster_analysis",
        Auth.ACCESS,
        write(Empty, do.request_analysis, do.tell_analysis),
        summary="Ask for a new analysis of which wallets hold this token together.",
        limits=("writes", "refreshes"),
        success=202,
        body=Empty,
        example=_TOKEN,
        problems=(404, 409, 501),
    ),
    legacy_route(
        "GET",
        f"{_CLUSTER}/holders",
        "list_cluster_holders",
        Auth.PERSON,
        do.get_holders,
        summary="The largest holders, each with its cluster; in pages.",
        limits=("reads",),
        query=do.HoldersQuery,
        waits=True,
        pending=True,
        example=_TOKEN,
        response=HoldersPage,
        problems=(404, 501),
    ),
    legacy_route(
        "GET",
        f"{_CLUSTER}/graph",
        "get_cluster_graph",
        Auth.PERSON,
        do.get_graph,
        summary="Members and the evidence between them, as nodes and edges.",
        limits=("reads",),
        conditional=True,
        waits=True,
        pending=True,
        example=_TOKEN,
        response=ClusterGraph,
        problems=(404, 422, 501),
    ),
    legacy_route(
        "GET",
        f"{_CLUSTER}/history",
        "list_cluster_history",
        Auth.PERSON,
        do.get_history,
        summary="What each analysis came to, the newest first; in pages.",
        limits=("reads",),
        query=do.HistoryQuery,
        example=_TOKEN,
        response=HistoryPage,
        problems=(404,),
    ),
    legacy_route(
        "GET",
        f"{_CLUSTER}/diff",
        "get_cluster_diff",
        Auth.PERSON,
        do.get_diff,
        summary="What changed between the reports as of two moments.",
        limits=("reads",),
        cost=10,
        query=do.DiffQuery,
        conditional=True,
        pending=True,
        example={**_TOKEN, "from": "1790000000", "to": "1800000000"},
        response=ReportDiff,
        problems=(404,),
    ),
    legacy_route(
        "GET",
        "/v1/jobs/{job_id}",
        "get_job",
        Auth.PERSON,
        jobs.get_job,
        summary="How far an analysis has come; with `Prefer: wait=n`, at its end.",
        limits=("reads",),
        conditional=True,
        waits=True,
        example=_JOB,
        response=AnalysisView,
    ),
    legacy_route(
        "GET",
        "/v1/jobs/{job_id}/events",
        "stream_job",
        Auth.PERSON,
        jobs.stream_job,
        summary="An analysis on its way, until its end (server-sent events).",
        limits=("reads",),
        streams=True,
        example=_JOB,
    ),
    *(
        legacy_route(
            "GET",
            f"{path}/{{chain}}/{{token_address}}",
            operation_id,
            Auth.PERSON,
            do.not_built,
            summary="Planned; answers 501 until it is there.",
            limits=("reads",),
            success=501,
            example=_TOKEN,
            problems=(501,),
        )
        for path, operation_id in _PLANNED.items()
    ),
)
