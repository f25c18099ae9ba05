"""Define the setting `CHAINS`: the chains that have endpoints."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel

from contracts.chains import KNOWN_CHAINS

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_RATE: Final = 25.0
LOCAL_RATE: Final = 10_000.0
DEFAULT_FINALITY_BLOCKS: Final = 64
MAX_QUOTED: Final = 24
"""Length limit of a chain's name in an error."""


class ChainSettings(BaseModel):
    """Configure one chain, such as `{"urls": ["https://…"], "perSecond": 10}`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    urls: tuple[SecretStr, ...] = Field(
        min_length=1, description="JSON-RPC endpoints, in order of preference."
    )
    chain_id: int | None = Field(
        None, ge=1, description="Required for a chain that is not known by name."
    )
    per_second: float | None = Field(
        None,
        gt=0,
        description="Calls per second to each endpoint; default: 25, and 10 000 for endpoints on "
        "this machine.",
    )
    finality: int | None = Field(
        None,
        ge=0,
        description="Blocks behind the head that count as final; default: the tag `finalized`, "
        "and 0 for endpoints on this machine.",
    )
    start_block: int = Field(
        0, ge=0, description="First block to read when the endpoint is not an archive node."
    )

    @property
    def rate(self) -> float:
        """Calls per second to each endpoint."""
        if self.per_second is not None:
            return self.per_second
        return LOCAL_RATE if self._is_local else DEFAULT_RATE

    @property
    def depth(self) -> int | None:
        """Blocks behind the head that count as final; None: use the tag `finalized`."""
        return 0 if self.finality is None and self._is_local else self.finality

    @property
    def _is_local(self) -> bool:
        """True for a test chain on this machine, which no one else pays for."""
        return all(_host(url.get_secret_value()) in LOOPBACK for url in self.urls)

    @field_validator("urls")
    @classmethod
    def _require_http(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, url in enumerate(urls, start=1):
            text = url.get_secret_value()
            if not text.startswith(("https://", "http://")) or _host(text) is None:
                raise ValueError(f"endpoint {number} is not an http:// or https:// URL")
        return urls


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # its text quotes the URL
        return None


def require_ids(by_name: Mapping[str, ChainSettings]) -> None:
    """Check that each chain is known by its name, or has an id.

    Raises:
        ValueError: one has neither. A long name is not quoted: it may be an URL in a wrong place.
    """
    for name, chain in by_name.items():
        if name not in KNOWN_CHAINS and chain.chain_id is None:
            quoted = name if len(name) <= MAX_QUOTED and name.isalnum() else "a chain"
            raise ValueError(
                f"{quoted} is not a known chain ({', '.join(KNOWN_CHAINS)}): set its chainId"
            )


class Chains(BaseModel):
    """Hold the configured chains by name; an id is that of a known chain, or configured."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    by_name: Mapping[str, ChainSettings] = {}

    @model_validator(mode="after")
    def _require_ids(self) -> "Chains":
        require_ids(self.by_name)
        return self

    def chain_id(self, name: str) -> int:
        """Return the chain id (EIP-155) of a configured chain."""
        configured = self.by_name[name].chain_id
        return KNOWN_CHAINS[name].chain_id if configured is None else configured

    def finality_blocks(self, name: str) -> int:
        """Return the blocks behind the head that count as final without the tag `finalized`."""
        known = KNOWN_CHAINS.get(name)
        return DEFAULT_FINALITY_BLOCKS if known is None else known.finality_blocks
