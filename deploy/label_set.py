"""Convert published name tags of addresses to the label set of the compute service.

    git clone https://github.com/brianleect/etherscan-labels CLONE
    python -m deploy.label_set CLONE > services/compute/labels/name-tags.csv

The data set is published under the MIT licence. Facts are taken from it: addresses, and the names
under which block explorers show them. Each row states the commit that it was taken from, its date
and the licence. Reading the same commit again gives the same file.
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

COLUMNS: Final = ("chain_id", "address", "kind", "name", "source")
REPOSITORY: Final = "https://github.com/brianleect/etherscan-labels"
CHAINS: Final = {
    "etherscan": 1, "optimism": 10, "bscscan": 56, "polygonscan": 137, "arbiscan": 42161,
    "avalanche": 43114,
}  # fmt: skip
"""Chain id by the data set's folder."""
EXCHANGES: Final = frozenset(
    [
        "abcc",
        "allbit",
        "ascendex",
        "bgogo",
        "binance",
        "bitbee",
        "bitfinex",
        "bithumb",
        "bitmart",
        "bitmex",
        "bitstamp",
        "bittrex",
        "blockfi",
        "celsius-network",
        "changenow",
        "cobinhood",
        "coinbase",
        "coinbit",
        "coinhako",
        "coinmetro",
        "coinone",
        "coinsquare",
        "cold-wallet",
        "coss-io",
        "crypto-com",
        "deribit",
        "digifinex",
        "exchange",
        "fiat-gateway",
        "ftx",
        "gate-io",
        "gemini",
        "hitbtc",
        "hoo-com",
        "hot-wallet",
        "hotbit",
        "huobi",
        "korbit",
        "kraken",
        "kryptono",
        "kucoin",
        "latoken",
        "liquid",
        "nexo",
        "okx",
        "otc",
        "paribu",
        "poloniex",
        "quadrigacx",
        "remitano",
        "resfinex",
        "shapeshift",
        "tidex",
        "topbtc",
        "trade-io",
        "upbit",
        "yunbi",
        "zb-com",
    ]
)
"""Tags of companies that hold and pay coins for their customers."""
BRIDGES: Final = frozenset({"bridge", "optimism-bridge", "orbit-bridge"})
_NOT_CUSTODY: Final = re.compile(
    r"token|deployer|contract|multi-?sig|owner|airdrop|staking|treasury|oracle|vault|proxy|"
    r"controller|donat|sale|fee|merchant|swap|sum of|registry|factory|implementation",
    re.IGNORECASE,
)
"""What names an address that does not pay customers."""
_BURN: Final = re.compile(r"^(null|burn)\b", re.IGNORECASE)

Row = tuple[int, str, str, str, str]


def main() -> int:
    rows = sorted(set(label_rows(Path(sys.argv[1]))))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return 0


def label_rows(clone: Path) -> Iterator[Row]:
    """Yield the labels of all chains."""
    commit, day = _git(clone, "log", "-1", "--format=%H %cs").split()
    source = f"{REPOSITORY} at {commit[:10]} of {day}; MIT licence"
    for folder, chain_id in CHAINS.items():
        path = f"data/{folder}/combined/combinedAccountLabels.json"
        tags: dict[str, Any] = json.loads(_git(clone, "show", f"HEAD:{path}"))
        for address, tag in tags.items():
            name = " ".join(str(tag["name"]).split())
            kind = kind_of(name, frozenset(tag["labels"]))
            if kind is not None and re.fullmatch(r"0x[0-9a-f]{40}", address.lower()):
                yield chain_id, address.lower(), kind, name, source


def kind_of(name: str, tags: frozenset[str]) -> str | None:
    """Return the kind of a tagged address; None if the tag says nothing about who uses it."""
    if "burn" in tags and _BURN.match(name):
        return "burn"
    if not name or _NOT_CUSTODY.search(name):
        return None
    if tags & EXCHANGES:
        return "exchange"
    return "bridge" if tags & BRIDGES else None


def _git(clone: Path, *arguments: str) -> str:
    command = ["git", "-C", str(clone), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
