"""Define the settings that the referrals service reads from its environment."""

from pydantic import Field

from chassis.run.settings import ServiceSettings


class Settings(ServiceSettings):
    """Configure the referrals service."""

    health_port: int = 8081
    max_workers: int = Field(
        64,
        ge=1,
        description="Messages that are handled at the same time. Under load a command waits twice "
        "for nine others to share an SQS call: fewer than twenty workers would all be waiting.",
    )
    tick_seconds: float = Field(
        5.0, gt=0, description="Seconds between two rounds of the schedule."
    )
