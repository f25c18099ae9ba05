"""Which chains there are endpoints for: the setting `CHAINS`."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel

from contracts.chains import KNOWN_CHAINS

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
PACE: Final = 25.0
OWN_PACE: Final = 10_000.0


class ChainSettings(BaseModel):
    """One chain, such as `{"urls": ["https://…"], "perSecond": 10}`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )

    urls: tuple[SecretStr, ...] = Field(min_length=1, description="Preferred in this order.")
    chain_id: int | None = Field(None, ge=1, description="Of a chain that is not known by name.")
    per_second: float | None = Field(
        None, gt=0, description="Calls to each endpoint; default: 25, and 10 000 on this machine."
    )
    finality: int | None = Field(
        None,
        ge=0,
        description="Blocks behind the head; default: the tag `finalized`, and 0 on this machine.",
    )
    start_block: int = Field(0, ge=0, description="Where tokens begin without an archive.")

    @property
    def pace(self) -> float:
        """Calls a second to each endpoint."""
        if self.per_second is not None:
            return self.per_second
        return OWN_PACE if self._is_own else PACE

    @property
    def depth(self) -> int | None:
        """Blocks behind the head that are taken for final; None: the chain says so itself."""
        return 0 if self.finality is None and self._is_own else self.finality

    @property
    def _is_own(self) -> bool:
        """A chain on this machine is somebody's experiment: nobody else pays for its calls."""
        hosts = [urlsplit(url.get_secret_value()).hostname for url in self.urls]
        return all(host in LOOPBACK for host in hosts)

    @field_validator("urls")
    @classmethod
    def _are_http(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, url in enumerate(urls, start=1):
            if not url.get_secret_value().startswith(("https://", "http://")):
                raise ValueError(f"endpoint {number} is no http:// or https:// address")
        return urls


class Chains(BaseModel):
    """By name; the ids are those of `KNOWN_CHAINS`, or told."""

    model_config = ConfigDict(frozen=True)
    by_name: Mapping[str, ChainSettings] = {}

    @model_validator(mode="after")
    def _have_ids(self) -> "Chains":
        for name, chain in self.by_name.items():
            if name not in KNOWN_CHAINS and chain.chain_id is None:
                raise ValueError(
                    f"{name} is not a known chain ({', '.join(KNOWN_CHAINS)}): add its chainId"
                )
        return self

    def chain_id(self, name: str) -> int:
        told = self.by_name[name].chain_id
        return KNOWN_CHAINS[name].chain_id if told is None else told

    def behind(self, name: str) -> int:
        known = KNOWN_CHAINS.get(name)
        return 64 if known is None else known.finality_blocks
