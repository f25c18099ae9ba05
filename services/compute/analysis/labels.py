"""Addresses that are known to be no person's: exchanges, bridges, pools, lockers, burns."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast, get_args

from compute.facts import Address
from contracts.cluster_report import Kind

ZERO: Final = "0x" + "00" * 20
DEAD: Final = "0x000000000000000000000000000000000000dead"
KINDS: Final = frozenset(get_args(Kind))
COLUMNS: Final = ("chain_id", "address", "kind", "name", "source")


class BadLabels(ValueError):
    """A line of a file of labels cannot be understood."""


@dataclass(frozen=True, slots=True)
class Label:
    kind: Kind
    name: str
    source: str
    """Where it is said: a label without provenance is an opinion."""


@dataclass(frozen=True, slots=True)
class Labels:
    """One version of what is known, of one chain."""

    version: str
    known: Mapping[Address, Label] = field(default_factory=dict)

    def of(self, address: Address) -> Label | None:
        return self.known.get(address)


def read_labels(version: str, chain_id: int, lines: Iterable[str]) -> Labels:
    """From CSV with the columns chain_id (or `*`), address, kind, name, source.

    Raises:
        BadLabels: naming the line and what is wrong with it.
    """
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise BadLabels(f"the columns are {','.join(COLUMNS)}, in this order")
    known = {}
    for number, row in enumerate(rows, start=2):
        if row["kind"] not in KINDS:
            raise BadLabels(f"line {number}: kind {row['kind']!r} is none of {sorted(KINDS)}")
        if not row["source"] or None in row.values():
            raise BadLabels(f"line {number}: a label needs a source")
        if row["chain_id"] in ("*", str(chain_id)):
            kind = cast("Kind", row["kind"])
            known[row["address"].lower()] = Label(kind, row["name"], row["source"])
    return Labels(version, known)
