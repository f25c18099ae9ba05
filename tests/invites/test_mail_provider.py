"""A mail is given up only if SES refuses the mail itself; everything else waits for an operator."""

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from structlog.testing import capture_logs

from chassis.resilience.outages import Outages
from invites.mail_provider import SES, MailDeferred, MailRefused

UNVERIFIED = "Email address is not verified. The following identities failed the check: a@b.example"


class Client:
    """Fails once with an error, and then sends."""

    def __init__(self, error: Exception) -> None:
        self.errors = [error]

    async def send_email(self, **_: Any) -> dict[str, str]:
        if self.errors:
            raise self.errors.pop()
        return {"MessageId": "m1"}


def refused(code: str, message: str = "", status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "SendEmail")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused("MessageRejected", "Address blacklisted."), MailRefused),
        (refused("BadRequestException", "Illegal address"), MailRefused),
        (refused("MessageRejected", UNVERIFIED), MailDeferred),
        (refused("MessageRejected", "Sending paused for this account."), MailDeferred),
        (refused("BadRequestException", "The account is in the sandbox."), MailDeferred),
        (refused("MessageRejected", "Daily message quota exceeded."), MailDeferred),
        (refused("TooManyRequestsException", "Daily message quota exceeded", 429), MailDeferred),
        (refused("LimitExceededException", "Maximum sending rate exceeded"), MailDeferred),
        (ParamValidationError(report="Unknown parameter"), MailRefused),
        (refused("MailFromDomainNotVerifiedException"), MailDeferred),
        (refused("SendingPausedException"), MailDeferred),
        (refused("AccountSuspendedException"), MailDeferred),
        (refused("NotFoundException", "Configuration set <x> does not exist"), MailDeferred),
        (refused("TooManyRequestsException", status=429), MailDeferred),
        (refused("ExpiredTokenException", status=403), MailDeferred),
        (refused("UnrecognizedClientException", status=403), MailDeferred),
        (refused("AccessDeniedException", status=403), MailDeferred),
        (refused("ServiceUnavailable", status=503), MailDeferred),
        (NoCredentialsError(), MailDeferred),
        (CredentialRetrievalError(provider="container", error_msg="500"), MailDeferred),
        (refused("InternalFailure", status=500), ClientError),
        (ReadTimeoutError(endpoint_url="https://email"), ReadTimeoutError),
    ],
)
async def test_a_failure_says_whether_the_mail_was_sent(
    error: Exception, kind: type[Exception]
) -> None:
    outages = Outages()
    ses = SES(Client(error), "a@b.example", "", outages=outages)
    with pytest.raises(kind):
        await ses.send("c@d.example", b"", {})
    assert bool(outages.reasons) == (kind is MailDeferred)
    assert await ses.send("c@d.example", b"", {}) == "m1"
    assert outages.reasons == {}


async def test_the_sandbox_is_an_outage_for_an_operator_which_names_no_recipient() -> None:
    outages = Outages()
    text = f"{UNVERIFIED}, bob@example.org."
    client = Client(refused("MessageRejected", text))
    ses = SES(client, "a@b.example", "", outages=outages)
    with capture_logs() as logs, pytest.raises(MailDeferred):
        await ses.send("bob@example.org", b"", {})
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("outage_started", "error")
    assert outages.reasons == {"ses": f"MessageRejected {UNVERIFIED}, b***@e***.org"}
    assert "bob@" not in str(logs)


async def test_a_refused_mail_shows_that_the_outage_has_ended() -> None:
    outages = Outages()
    client = Client(refused("SendingPausedException"))
    ses = SES(client, "a@b.example", "", outages=outages)
    with pytest.raises(MailDeferred):
        await ses.send("c@d.example", b"", {})
    client.errors = [refused("MessageRejected", "Address blacklisted.")]
    with pytest.raises(MailRefused):
        await ses.send("c@d.example", b"", {})
    assert outages.reasons == {}


async def test_an_unverified_sender_is_named() -> None:
    outages = Outages()
    ses = SES(Client(refused("MessageRejected", UNVERIFIED)), "a@b.example", "", outages=outages)
    with pytest.raises(MailDeferred):
        await ses.send("c@d.example", b"", {})
    assert outages.reasons == {"ses": f"MessageRejected {UNVERIFIED}"}
