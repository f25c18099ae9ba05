"""Reports of token clusters as resources: each kind of body with its cache, table and freshness."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from contracts.cluster_report import ClusterReport, compare
from contracts.compute import GRAPH, HOLDERS, REPORT, REPORTS_KEPT_SECONDS, reports_cache
from readthrough import RAO, ReadThrough, Stored, Table, VersionedStore

DIFF: Final = "diff"
STALENESS_SECONDS: Final = 3 * 3600


@dataclass(frozen=True, slots=True)
class Reports:
    shelf: VersionedStore
    reports: ReadThrough
    holders: ReadThrough
    graphs: ReadThrough
    diffs: ReadThrough
    """Has no queue: two reports are compared while the caller waits, once."""


def reports_of(table: Table, redis: Any) -> Reports:
    shelf = VersionedStore(table)

    def through(name: str, **options: Any) -> ReadThrough:
        rao = RAO(reports_cache(name), client=redis, tte=REPORTS_KEPT_SECONDS)
        return ReadThrough(rao, partial(shelf.load, name=name), **options)

    reports = through(REPORT, staleness=STALENESS_SECONDS)
    return Reports(
        shelf=shelf,
        reports=reports,
        holders=through(HOLDERS),
        graphs=through(GRAPH),
        diffs=through(DIFF, compute=partial(_compare, shelf, reports)),
    )


def diff_key(pk: str, older: int, newer: int) -> str:
    return f"{pk}/{older}@{newer}"


async def _compare(shelf: VersionedStore, reports: ReadThrough, key: str) -> Stored:
    """The difference that a `diff_key` names, kept in the table too."""
    both, _, newer = key.partition("@")
    pk, _, older = both.partition("/")
    sides = [await reports.get(f"{pk}@{at}") for at in (older, newer)]
    if sides[0] is None or sides[1] is None:
        raise LookupError(f"a report of {key} has gone")
    views = [ClusterReport.model_validate_json(side.stored.body) for side in sides if side]
    body = compare(views[0], views[1]).model_dump_json().encode()
    await shelf.put(both, int(newer), b"{}", {DIFF: body})
    return Stored(body, int(newer))
