"""The label set follows from the tags of a published data set, and each row names its source."""

import csv
from pathlib import Path

import pytest

from deploy.folders import ROOT
from deploy.label_set import COLUMNS, kind_of

NAME_TAGS = ROOT / "services" / "compute" / "labels" / "name-tags.csv"


@pytest.mark.parametrize(
    ("name", "tags", "kind"),
    [
        ("Binance 14", {"binance"}, "exchange"),
        ("Kraken: Hot Wallet", {"kraken", "derivatives"}, "exchange"),
        ("KuCoin: KCS Token", {"kucoin"}, None),
        ("BitMax: Deployer", {"ascendex"}, None),
        ("Across: Spoke Pool", {"bridge"}, "bridge"),
        ("Null: 0x000...001", {"burn"}, "burn"),
        ("Shiba Inu: Deployer", {"burn"}, None),
        ("MEV Bot", {"mev-bot"}, None),
        ("", {"binance"}, None),
    ],
)
def test_a_kind_follows_from_tags_and_name(name: str, tags: set[str], kind: str | None) -> None:
    assert kind_of(name, frozenset(tags)) == kind


def test_every_shipped_name_tag_names_its_commit_its_day_and_its_licence() -> None:
    with Path(NAME_TAGS).open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert all(" at " in row["source"] and "MIT licence" in row["source"] for row in rows)
    assert len({(row["chain_id"], row["address"]) for row in rows}) == len(rows)
