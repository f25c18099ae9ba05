"""Send mails through SES; distinguish mails that were not sent from those that may have been."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    MetadataRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    TokenRetrievalError,
)

from chassis.resilience.outages import OUTAGES, Outages
from contracts.addresses import masked

QUOTA_SECONDS: Final = 3_600
"""Seconds between two checks of the account's sending quota."""
CALL_SECONDS: Final = 30
"""Timeout of one call; well below `SENDING_TIMEOUT`, so that no retry overlaps a call."""

_NOT_SENT: Final = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    TokenRetrievalError,
)
"""Errors before the request reached SES."""
_PERMANENT: Final = frozenset({"MessageRejected", "BadRequestException"})
"""SES refuses the mail itself, unless the text names the sender's account."""
_NOT_NOW: Final = re.compile(
    r"not verified|sandbox|production access|paused|suspended|shut ?down|under review|quota"
    r"|sending limit|rate exceeded|throttl",
    re.IGNORECASE,
)
"""What an operator has to change, or time: an unverified sender, an account that is in the sandbox,
paused, or at its quota."""
_ADDRESS: Final = re.compile(r"[^\s,;:<>()\"']+@[^\s,;:<>()\"']+")
_SERVER_ERROR: Final = 500
_BUSY: Final = frozenset(
    {"ServiceUnavailable", "ServiceUnavailableException", "ThrottlingException"}
)
"""Codes with a status of 500 and above of mails that were not sent all the same."""

log = structlog.get_logger(__name__)


class MailDeferred(Exception):
    """The provider cannot take the mail now; it certainly was not sent."""


class MailRefused(Exception):
    """The provider will never take this mail."""


class MailProvider(Protocol):
    async def send(self, to: str, message: bytes, tags: dict[str, str]) -> str:
        """Send a mail and return its message id.

        Any other exception leaves open whether the mail was sent.

        Raises:
            MailDeferred: it was not sent; try again later.
            MailRefused: it was not sent; do not try again.
        """


@dataclass(frozen=True, slots=True, eq=False)
class SES:
    """Send mails through SES v2."""

    client: Any
    """A started client of aiobotocore that makes one attempt per call."""
    mail_from: str
    configuration_set: str
    on_rate: Callable[[float], None] = lambda _rate: None
    """Called at the start and every hour with the mails per second that the account may send."""
    outages: Outages = OUTAGES

    async def watch_quota(self) -> None:
        """Read the account's sending rate now and every hour, until cancelled."""
        while True:
            await self._check_quota()
            await asyncio.sleep(QUOTA_SECONDS)

    async def _check_quota(self) -> None:
        """Report the account's rate; if it cannot be read, the configured rate applies."""
        try:
            account = await self.client.get_account()
        except (BotoCoreError, ClientError) as error:
            log.warning("mail_quota_check_failed", because=type(error).__name__)
            return
        rate = account.get("SendQuota", {}).get("MaxSendRate", -1)
        if rate > 0:  # -1: no limit
            self.on_rate(float(rate))

    async def send(self, to: str, message: bytes, tags: dict[str, str]) -> str:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                response = await self.client.send_email(**self._request(to, message, tags))
        except _NOT_SENT as error:
            raise self._deferred(error, type(error).__name__) from error
        except ParamValidationError as error:
            raise MailRefused(type(error).__name__) from error
        except ClientError as error:
            raise self._reason(error) from error
        self.outages.succeeded(self)
        return str(response["MessageId"])

    def _reason(self, error: ClientError) -> Exception:
        """Return what a response of SES says about the mail; the error itself if it is unclear."""
        code = str(error.response["Error"].get("Code", ""))
        if code in _PERMANENT and not _NOT_NOW.search(str(error)):
            self.outages.succeeded(self)
            return MailRefused(code)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= _SERVER_ERROR and code not in _BUSY:
            unclear: Exception = error
            return unclear
        return self._deferred(error, code)

    def _deferred(self, error: Exception, because: str) -> MailDeferred:
        """Register why no mail can be sent now, until one is sent."""
        self.outages.failed(self, self._without_addresses(error))
        return MailDeferred(because)

    def _without_addresses(self, error: Exception) -> Exception:
        """Return the error with masked addresses: in the sandbox SES names the recipient's."""
        if not isinstance(error, ClientError):
            return error

        def shown(match: re.Match[str]) -> str:
            address = match.group().rstrip(".")
            return address if address.lower() == self.mail_from.lower() else masked(address)

        details = {**error.response["Error"]}
        details["Message"] = _ADDRESS.sub(shown, str(details.get("Message", "")))
        response: Any = {**error.response, "Error": details}
        masked_error: Exception = ClientError(response, error.operation_name)
        return masked_error

    def _request(self, to: str, message: bytes, tags: dict[str, str]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "FromEmailAddress": self.mail_from,
            "Destination": {"ToAddresses": [to]},
            "Content": {"Raw": {"Data": message}},
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags.items()],
        }
        if self.configuration_set:
            request["ConfigurationSetName"] = self.configuration_set
        return request
