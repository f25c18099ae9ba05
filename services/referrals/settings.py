"""Define the settings that the referrals service reads from its environment."""

from pydantic import Field, SecretStr

from chassis.run.settings import HealthPort, ServiceSettings
from contracts.referral_ids import EARLIER_KEYS, KEY, ReferralIds
from contracts.secret_keys import KeyList


class Settings(ServiceSettings):
    """Configure the referrals service."""

    health_port: HealthPort = 8081
    max_workers: int = Field(
        64,
        ge=1,
        description="Messages that are handled at the same time. Under load a command waits twice "
        "for nine others to share an SQS call: fewer than twenty workers would all be waiting.",
    )
    tick_seconds: float = Field(
        5.0, gt=0, description="Seconds between two rounds of the schedule."
    )
    referrals_key: SecretStr = Field(min_length=32, description=KEY)
    referrals_earlier_keys: KeyList = Field(SecretStr(""), description=EARLIER_KEYS)

    @property
    def referral_ids(self) -> ReferralIds:
        """Return the ids under the configured keys."""
        return ReferralIds.from_secrets(
            self.referrals_key.get_secret_value(), self.referrals_earlier_keys.get_secret_value()
        )
