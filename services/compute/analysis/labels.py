"""Read labels: addresses known to be exchanges, bridges, pools, lockers or burns."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast, get_args

from compute.chain_facts import Address
from contracts.cluster_report import Kind

ZERO: Final = "0x" + "00" * 20
DEAD: Final = "0x000000000000000000000000000000000000dead"
KINDS: Final = frozenset(get_args(Kind))
COLUMNS: Final = ("chain_id", "address", "kind", "name", "source")


class InvalidLabels(ValueError):
    """Report a line of a label file that cannot be read."""


@dataclass(frozen=True, slots=True)
class Label:
    """Describe what is known about one address."""

    kind: Kind
    name: str
    source: str
    """Where this was published; a label without a source is not accepted."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Hold one version of the labels of one chain."""

    version: str
    known: Mapping[Address, Label] = field(default_factory=dict)


def read_labels(version: str, chain_id: int, lines: Iterable[str]) -> Labels:
    """Read the labels of one chain from CSV with the columns of `COLUMNS`.

    A `chain_id` of `*` applies to every chain; lines that start with `#` are comments.

    Raises:
        InvalidLabels: names the line and what is wrong with it.
    """
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise InvalidLabels(f"the columns must be {','.join(COLUMNS)}, in this order")
    known = {}
    for number, row in enumerate(rows, start=2):
        if row["kind"] not in KINDS:
            raise InvalidLabels(f"line {number}: kind {row['kind']!r} is not in {sorted(KINDS)}")
        if not row["source"] or None in row.values():
            raise InvalidLabels(f"line {number}: a label needs a source")
        if row["chain_id"] in ("*", str(chain_id)):
            kind = cast("Kind", row["kind"])
            known[row["address"].lower()] = Label(kind, row["name"], row["source"])
    return Labels(version, known)
