"""Define the settings that the compute service reads from its environment."""

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator

from chassis.run.settings import HealthPort, ServiceSettings
from compute.analysis import Parameters
from compute.chain import Chains, ChainSettings, require_ids

FUNDING_SECONDS: Final = 900
FUNDING_CALLS: Final = 50
"""Calls for one holder: two for each halving of twenty-odd million blocks."""


class Settings(ServiceSettings):
    """Configure the compute service."""

    health_port: HealthPort = 8083
    chains: dict[str, ChainSettings] = Field(
        {},
        description='Chains by name: {"base": {"urls": ["https://…"], "perSecond": 10}}.',
    )
    segments_bucket: str = Field(
        "vouch-compute-segments", description="S3 bucket for the transfers that were read."
    )
    max_transfers: int = Field(
        50_000_000,
        gt=0,
        description="Transfers of one token, at most; each takes about 200 bytes of disk.",
    )
    columns_directory: Path = Field(
        Path(tempfile.gettempdir()) / "vouch-compute-columns",
        description="Directory on a local disk for the merged transfers of the tokens in use; it "
        "may be lost.",
    )
    columns_gigabytes: float = Field(
        20, gt=0, description="Size of that directory above which tokens not in use are deleted."
    )
    analysis_gigabytes: float = Field(
        4, gt=0, description="Memory of the process that analyses; a token that needs more fails."
    )
    funders_of: int | None = Field(
        None,
        ge=0,
        description="Number of the largest holders whose first funder is looked up, about 50 calls "
        "each; default: as many as 15 minutes of calls allow, 1000 at most.",
    )
    labels_file: Path | None = Field(
        None, description="CSV file with more labels, in the format of services/compute/labels."
    )

    @field_validator("chains")
    @classmethod
    def _validate_chains(cls, chains: dict[str, Any], _info: ValidationInfo) -> dict[str, Any]:
        require_ids(chains)
        return chains

    def funders_on(self, chain: str) -> int:
        """Return how many holders' first funders are looked up on this chain."""
        if self.funders_of is not None:
            return self.funders_of
        affordable = int(self.chains[chain].rate * FUNDING_SECONDS / FUNDING_CALLS)
        return min(Parameters().funders_of, affordable)

    @cached_property
    def known_chains(self) -> Chains:
        return Chains(by_name=self.chains)
