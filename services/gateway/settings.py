"""Read the gateway's settings from environment variables."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

from chassis.run.settings import ProcessSettings
from cognito_jwt import Pool
from contracts.chains import KNOWN_CHAINS
from contracts.referral_ids import EARLIER_KEYS, KEY, ReferralIds
from contracts.secret_keys import KeyList
from gateway.http.web_pages import SignIn

SERVICE_SCOPE: Final = "vouch/users.write"
"""OAuth scope of programs that may act for others."""


def _names(value: object) -> object:
    return frozenset(value.replace(",", " ").split()) if isinstance(value, str) else value


Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_names)]
"""Several names, separated by commas or spaces."""


class PoolSettings(BaseModel):
    """Describe a further user pool, in `COGNITO_EXTRA_POOLS` (a JSON list of these)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    issuer: str
    jwks_url: str
    client_ids: frozenset[str]
    service_client_ids: frozenset[str] = frozenset()

    def pool(self) -> Pool:
        """Return the pool whose tokens are accepted."""
        return Pool(
            self.issuer, self.client_ids, self.service_client_ids, service_scope=SERVICE_SCOPE
        )


class Settings(ProcessSettings):
    """Configure one gateway process."""

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(8080, ge=0, le=65_535, description="0 takes any free port.")

    cognito_issuer: str = Field(description="The `iss` claim of the pool's tokens.")
    cognito_jwks_url: str = Field(description="URL of the pool's signing keys.")
    cognito_client_ids: Names = Field(description="App clients of people.")
    cognito_service_client_ids: Names = Field(frozenset(), description="App clients of programs.")
    cognito_extra_pools: tuple[PoolSettings, ...] = Field(
        (), description="Further user pools, as a JSON list."
    )

    sign_in_origin: str = Field(
        "",
        pattern=r"^(https?://[a-z0-9.:-]+)?$",
        description="Origin of Cognito's hosted pages, to which the web pages lead; empty: none.",
    )
    sign_in_client_id: str = Field(
        "", description="App client of the web pages. Default: the only one of COGNITO_CLIENT_IDS."
    )
    sign_up: bool = Field(
        default=True, description="Whether the hosted pages let new people sign up."
    )
    web_directory: Path = Field(
        Path(__file__).parents[2] / "web" / "dist", description="The built web pages."
    )

    referrals_key: SecretStr = Field(min_length=32, description=KEY)
    referrals_earlier_keys: KeyList = Field(SecretStr(""), description=EARLIER_KEYS)

    outcome_wait_seconds: float = Field(
        2.0, gt=0, description="Seconds a write waits for its outcome before it responds 202."
    )
    max_wait_seconds: float = Field(
        25.0, gt=0, description="Maximum n of `Prefer: wait=n`, in seconds."
    )
    extra_chains: dict[str, int] = Field(
        {}, description='Chain ids of further chains by name, such as {"anvil": 31337}.'
    )
    trusted_proxy_hops: int = Field(
        0, ge=0, description="Number of own proxies in front; each appends to X-Forwarded-For."
    )
    proof_of_work_bits: int = Field(
        18,
        ge=0,
        le=32,
        description="Zero bits of the proof of work that is asked for while codes are guessed.",
    )
    gateway_workers: int = Field(1, ge=1, description="Number of worker processes on the port.")
    gateway_internal_host: str = "127.0.0.1"
    gateway_internal_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="/metrics and health; worker n uses the n-th port after it. 0: any free one.",
    )
    cors_origins: Names = Field(
        frozenset(), description="Origins whose pages may call the API from a browser."
    )
    join_url: str = Field(
        "https://vouch.example/join?code={code}",
        pattern=r"\{code\}",
        description="Page that a referral code links to, also in QR codes; {code} is replaced.",
    )
    refresh_token_days: int = Field(
        30, gt=0, description="Days a sign-in can be renewed; revocations are stored as long."
    )
    drain_seconds: float = Field(
        0.5,
        ge=0,
        description="Seconds to serve on after SIGTERM while /readyz fails and connections close.",
    )
    shutdown_seconds: float = Field(
        30.0, gt=0, description="Seconds for requests in flight to finish."
    )

    def pools(self) -> tuple[PoolSettings, ...]:
        """Return all user pools; the main one first."""
        main = PoolSettings(
            issuer=self.cognito_issuer,
            jwks_url=self.cognito_jwks_url,
            client_ids=self.cognito_client_ids,
            service_client_ids=self.cognito_service_client_ids,
        )
        return (main, *self.cognito_extra_pools)

    @property
    def sign_in(self) -> SignIn:
        """Return where the web pages let people sign in."""
        client = self.sign_in_client_id or min(self.cognito_client_ids, default="")
        return SignIn(self.cognito_issuer, client, self.sign_in_origin, self.sign_up)

    @property
    def referral_ids(self) -> ReferralIds:
        """Return the ids under the configured keys."""
        return ReferralIds.from_secrets(
            self.referrals_key.get_secret_value(), self.referrals_earlier_keys.get_secret_value()
        )

    @property
    def chains(self) -> dict[str, int]:
        """Chain ids of all supported chains by name."""
        known = {name: chain.chain_id for name, chain in KNOWN_CHAINS.items()}
        return {**known, **self.extra_chains}
