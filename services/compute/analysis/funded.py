"""Hold the first payment to a node by another."""

from dataclasses import dataclass

from compute.chain_facts import Funding


@dataclass(frozen=True, slots=True)
class Funded:
    """Represent the first payment to a node by another."""

    funder: int
    node: int
    funding: Funding
