"""Define the settings that the compute service reads from its environment."""

import tempfile
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator

from chassis.run.settings import HealthPort, ServiceSettings
from compute.analysis import Parameters
from compute.chain import Chains, ChainSettings, require_ids

FACT_SECONDS: Final = 600
"""Seconds that the calls for the facts about a token may take; more with many holders."""
HOLDER_SECONDS: Final = Fraction(3, 50)
"""Seconds that the calls for one holder may take: an hour for 60,000."""


class Settings(ServiceSettings):
    """Configure the compute service."""

    health_port: HealthPort = 8083
    chains: dict[str, ChainSettings] = Field(
        {},
        description='Chains by name: {"base": {"urls": ["https://…"], "perSecond": 10}}.',
    )
    refresh_seconds: int = Field(
        60,
        ge=1,
        description="Age of a report from which a new one can be requested.",
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
        description="Number of the largest holders whose first funder is looked up; default: "
        "as many as ten minutes of calls allow, or one and a half calls for each holder.",
    )
    ecs_agent_uri: str = Field(
        "",
        description="Address of the agent of ECS, which sets it itself; empty: analyses are not "
        "protected from being ended when there are fewer tasks.",
    )
    labels_file: Path | None = Field(
        None, description="CSV file with more labels, in the format of services/compute/labels."
    )

    @field_validator("chains")
    @classmethod
    def _validate_chains(cls, chains: dict[str, Any], _info: ValidationInfo) -> dict[str, Any]:
        require_ids(chains)
        return chains

    def parameters_on(self, chain: str) -> Parameters:
        """Return the parameters of analyses of this chain."""
        rate = self.chains[chain].rate
        parameters = Parameters(
            least_calls=int(rate * FACT_SECONDS), calls_per_holder=Fraction(rate) * HOLDER_SECONDS
        )
        if self.funders_of is None:
            return parameters
        return replace(parameters, funders_of=self.funders_of)

    @cached_property
    def known_chains(self) -> Chains:
        return Chains(by_name=self.chains)
