"""What the referrals service reads from its environment."""

from pydantic import Field

from chassis.run.settings import ServiceSettings


class Settings(ServiceSettings):
    health_port: int = 8081
    max_workers: int = Field(
        64,
        ge=1,
        description="Streams that are worked on at the same time. Under load a command waits for "
        "nine others twice, to share a call: with fewer than twenty all would wait.",
    )
    tick_seconds: float = Field(
        5.0, gt=0, description="How often a look is taken at what time has decided."
    )
