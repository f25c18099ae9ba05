"""Define the settings that the invites service reads from its environment."""

from pydantic import Field, SecretStr

from chassis.run.settings import HealthPort, ServiceSettings
from contracts.addresses import mail_address
from contracts.messages import EmailAddress
from contracts.secret_keys import KeyList
from invites.mail import MailProfile
from invites.rules import SENDING_TIMEOUT
from invites.tokens import Tokens


class Settings(ServiceSettings):
    """Configure the invites service."""

    health_port: HealthPort = 8082
    tick_seconds: float = Field(
        5.0, gt=0, description="Seconds between two rounds of the schedule."
    )
    invites_key: SecretStr = Field(
        min_length=32,
        description="Secret key of tokens and address digests. Keep it: without it, suppressed "
        "addresses are not recognised, and a reminder has another link than its invitation.",
    )
    invites_earlier_keys: KeyList = Field(
        SecretStr(""),
        description="Keys that INVITES_KEY has replaced or is about to be replaced with, separated "
        "by commas; what was stored or mailed with them is recognised.",
    )
    mail_from: EmailAddress = "hello@vouch.example"
    mail_reply_to: EmailAddress | None = None
    mail_rate: float = Field(
        10.0, gt=0, description="Mails per second of all instances together, at most."
    )
    mail_quota_share: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Share of the account's SES sending rate to use; 0: do not read that rate.",
    )
    mail_patience_seconds: int = Field(
        SENDING_TIMEOUT,
        ge=0,
        description="Seconds after which a started mail without a result is sent again; more than "
        "a call to SES can take.",
    )
    mail_configuration_set: str = Field(
        "", description="SES configuration set that reports deliveries, bounces and complaints."
    )
    product_name: str = Field("Vouch", pattern=r"^[^\r\n]{1,60}$")
    invite_url: str = Field(
        "https://vouch.example/invited#{token}",
        pattern=r"\{token\}",
        description="URL of the invitation page. A fragment reaches no server and no log.",
    )
    unsubscribe_url: str = Field(
        "https://api.vouch.example/v1/unsubscribe/{token}", pattern=r"\{token\}"
    )

    @property
    def tokens(self) -> Tokens:
        """Return the tokens and digests under the configured keys."""
        return Tokens.from_secrets(
            self.invites_key.get_secret_value(), self.invites_earlier_keys.get_secret_value()
        )

    @property
    def mail_profile(self) -> MailProfile:
        """Return the settings that all mails have in common."""
        return MailProfile(
            address=mail_address(self.mail_from),
            product=self.product_name,
            invite_url=self.invite_url,
            unsubscribe_url=self.unsubscribe_url,
            reply_to=mail_address(self.mail_reply_to) if self.mail_reply_to else None,
        )
