"""What the referrals service reads from its environment."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    health_port: int = 8081
