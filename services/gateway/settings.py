"""What the gateway reads from its environment, once."""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from chassis.run.settings import ProcessSettings
from cognito_jwt import Pool
from gateway.api.chains import CHAINS

SERVICE_SCOPE: Final = "vouch/users.write"
"""OAuth scope of programs that may act for others."""


def _names(value: object) -> object:
    return frozenset(value.replace(",", " ").split()) if isinstance(value, str) else value


Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_names)]
"""Written with commas or blanks between them."""


class PoolSettings(BaseModel):
    """A further user pool, in `COGNITO_EXTRA_POOLS` (a JSON list of these)."""

    issuer: str
    jwks_url: str
    client_ids: frozenset[str]
    service_client_ids: frozenset[str] = frozenset()

    def pool(self) -> Pool:
        return Pool(
            self.issuer, self.client_ids, self.service_client_ids, service_scope=SERVICE_SCOPE
        )


class Settings(ProcessSettings):
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(8080, ge=0, le=65_535, description="0 takes any free port.")

    cognito_issuer: str = Field(description="The `iss` of the pool's tokens, to the letter.")
    cognito_jwks_url: str = Field(description="Where its keys are; locally not under the issuer.")
    cognito_client_ids: Names = Field(description="App clients that people sign in with.")
    cognito_service_client_ids: Names = frozenset()
    cognito_extra_pools: tuple[PoolSettings, ...] = ()

    outcome_wait_seconds: float = Field(
        2.0, gt=0, description="How long a write waits for its outcome before it answers 202."
    )
    max_wait_seconds: float = Field(25.0, gt=0, description="Upper limit of `Prefer: wait=n`.")
    extra_chains: dict[str, int] = Field(
        {}, description='Further chains by name, such as {"anvil": 31337}.'
    )
    trusted_proxy_hops: int = Field(
        0, ge=0, description="Own proxies in front; each appends to X-Forwarded-For."
    )
    gateway_workers: int = Field(1, ge=1, description="Processes that listen on the same port.")
    gateway_internal_host: str = "127.0.0.1"
    gateway_internal_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="/metrics and health; worker n listens n ports further. 0 takes any free one.",
    )
    cors_origins: Names = frozenset()
    join_url: str = Field(
        "https://vouch.example/join?code={code}",
        pattern=r"\{code\}",
        description="Where a referral code leads, on pages and in QR codes; {code} is put in.",
    )
    refresh_token_days: int = Field(
        30, gt=0, description="How long a sign-in can be renewed; a revocation is kept as long."
    )
    max_body_bytes: int = Field(65_536, gt=0)
    drain_seconds: float = Field(
        0.5, ge=0, description="After SIGTERM: how long to serve on, unready, closing connections."
    )
    shutdown_seconds: float = Field(30.0, gt=0, description="For requests in flight to finish.")

    def pools(self) -> tuple[PoolSettings, ...]:
        main = PoolSettings(
            issuer=self.cognito_issuer,
            jwks_url=self.cognito_jwks_url,
            client_ids=self.cognito_client_ids,
            service_client_ids=self.cognito_service_client_ids,
        )
        return (main, *self.cognito_extra_pools)

    @property
    def chains(self) -> dict[str, int]:
        return {**CHAINS, **self.extra_chains}
