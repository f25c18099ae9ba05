"""Read cluster reports and their parts, each kind with its own cache and freshness."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson

from contracts.cluster_report import ClusterReport, compare
from contracts.compute import (
    CHAINS,
    CHART,
    GRAPH,
    HOLDERS,
    METADATA,
    REPORT,
    REPORTS_CACHE_SECONDS,
    SCORE,
    reports_cache,
)
from readthrough import RAO, ReadThrough, Stored, Table, VersionedStore

DIFF: Final = "diff"
STALENESS_SECONDS: Final = 3 * 3600
"""Age in seconds from which a report is stale."""
CHAINS_CACHE_SECONDS: Final = 60
"""Expiry of the list of chains: it changes when compute starts with other settings."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Read reports from the cache, or from the table that stores every version."""

    store: VersionedStore
    """All versions of each report, by `report_key`."""
    reports: ReadThrough
    """Key: a `report_key` (the newest report), or `<report_key>@<computed at>`."""
    holders: ReadThrough
    """Key: `<report_key>@<computed at>`."""
    graphs: ReadThrough
    """Key: `<report_key>@<computed at>`."""
    metadata: ReadThrough
    """Key: `<report_key>@<computed at>`."""
    scores: ReadThrough
    """Key: `<report_key>@<computed at>`."""
    charts: ReadThrough
    """Key: `<report_key>@<computed at>`."""
    chains: ReadThrough
    """Key: `CHAINS`."""
    diffs: ReadThrough
    """Key: a `diff_key`. A missing difference is computed while the caller waits."""

    async def available_chains(self) -> frozenset[int]:
        """Return the ids of the chains that have endpoints; none until compute has started."""
        found = await self.chains.get(CHAINS)
        return frozenset() if found is None else frozenset(orjson.loads(found.stored.body))


def reports_of(table: Table, redis: Any) -> Reports:
    """Return the readers of all kinds of reports."""
    store = VersionedStore(table)

    def reader(name: str, seconds: int = REPORTS_CACHE_SECONDS, **options: Any) -> ReadThrough:
        cache = RAO(reports_cache(name), client=redis, tte=seconds)
        return ReadThrough(cache, partial(store.load, name=name), **options)

    reports = reader(REPORT, staleness=STALENESS_SECONDS)
    return Reports(
        store=store,
        reports=reports,
        holders=reader(HOLDERS),
        graphs=reader(GRAPH),
        metadata=reader(METADATA),
        scores=reader(SCORE),
        charts=reader(CHART),
        chains=reader(CHAINS, CHAINS_CACHE_SECONDS),
        diffs=reader(DIFF, compute=partial(_compare, store, reports)),
    )


def diff_key(report_key: str, older: int, newer: int) -> str:
    """Return the key of the difference between two reports, named by when they were computed."""
    return f"{report_key}/{older}@{newer}"


async def _compare(store: VersionedStore, reports: ReadThrough, key: str) -> Stored:
    """Compute the difference that a `diff_key` names, and store it in the table.

    Raises:
        LookupError: one of the reports is gone.
    """
    pair, _, newer = key.partition("@")
    report_key, _, older = pair.partition("/")
    before = await reports.get(f"{report_key}@{older}")
    after = await reports.get(f"{report_key}@{newer}")
    if before is None or after is None:
        raise LookupError(f"a report of {key} is gone")
    difference = compare(
        ClusterReport.model_validate_json(before.stored.body),
        ClusterReport.model_validate_json(after.stored.body),
    )
    body = difference.model_dump_json().encode()
    await store.put(pair, int(newer), b"{}", {DIFF: body})
    return Stored(body, int(newer))
