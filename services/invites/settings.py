"""What the invites service reads from its environment."""

from pydantic import EmailStr, Field, SecretStr

from chassis.run.settings import ServiceSettings
from invites.mail import MailProfile
from invites.rules import SENDING_TIMEOUT


class Settings(ServiceSettings):
    health_port: int = 8082
    tick_seconds: float = Field(
        5.0, gt=0, description="How often a look is taken at what time has decided."
    )
    invites_key: SecretStr = Field(
        min_length=32,
        description="Tokens and address digests are made with it. Another key turns no token off, "
        "but forgets who wants no mail: keep it.",
    )
    mail_from: EmailStr = "hello@vouch.example"
    mail_reply_to: EmailStr | None = None
    mail_rate: float = Field(
        10.0, gt=0, description="Mails a second of all instances together, at most."
    )
    mail_quota_share: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Of the rate that the SES account allows, which is asked for; 0 does not ask.",
    )
    mail_patience_seconds: int = Field(
        SENDING_TIMEOUT,
        ge=0,
        description="After which a mail that was begun and not finished is begun again; more than "
        "a call to SES can take.",
    )
    mail_configuration_set: str = Field(
        "", description="SES configuration set that tells deliveries, bounces and complaints."
    )
    product_name: str = Field("Vouch", pattern=r"^[^\r\n]{1,60}$")
    invite_url: str = Field(
        "https://vouch.example/invited#{token}",
        pattern=r"\{token\}",
        description="The page that shows an invitation; a fragment reaches no server and no log.",
    )
    unsubscribe_url: str = Field(
        "https://api.vouch.example/v1/unsubscribe/{token}", pattern=r"\{token\}"
    )

    @property
    def mail_profile(self) -> MailProfile:
        return MailProfile(
            address=self.mail_from,
            product=self.product_name,
            invite_url=self.invite_url,
            unsubscribe_url=self.unsubscribe_url,
            reply_to=self.mail_reply_to,
        )
