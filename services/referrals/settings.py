"""What the referrals service reads from its environment."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    health_port: int = 8081
    tick_seconds: float = Field(
        5.0, gt=0, description="How often a look is taken at what time has decided."
    )
