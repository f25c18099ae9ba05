"""What SES tells of mails over HTTPS: notifications of SNS, believed by their signature only.

The way without the gateway (topic, queue, service) needs none of this; some accounts may only tell
over HTTPS. Signatures as in "Verifying the signatures of Amazon SNS messages".
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import load_pem_x509_certificate

from chassis.bus.commands import Publisher
from faststream_sqs import SQSError
from gateway.http.problems import Problem, malformed, not_found, unavailable
from gateway.http.requests import parse_json, read_raw
from gateway.http.routing import Answer, RequestContext

MAX_CERTIFICATES: Final = 8
BRACKETS: Final = 64
_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?", re.ASCII)
_HASHES: Final[Mapping[str, Callable[[], HashAlgorithm]]] = {
    "1": SHA1,
    "2": SHA256,
}
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    **dict.fromkeys(
        ("SubscriptionConfirmation", "UnsubscribeConfirmation"),
        ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}

log = structlog.get_logger(__name__)

Fetch = Callable[[str], Awaitable[bytes]]
"""The body at an address; raises `OSError` or `ValueError` if there is none to be had."""
Told = Mapping[str, Any]


@dataclass(slots=True)
class Notifications:
    """Takes what configured topics tell, and puts it where the invites service listens."""

    topics: frozenset[str]
    """ARNs; those of nobody else are heard."""
    queue: str
    publisher: Publisher
    fetch: Fetch
    _keys: "OrderedDict[str, RSAPublicKey]" = field(default_factory=OrderedDict)

    async def take(self, told: Told) -> None:
        """Check and pass on; when this returns, it is safe in the queue.

        Raises:
            Problem: 400 for what is no message of SNS, 403 for one that is not signed by it or
                comes from another topic, 503 if it cannot be checked or passed on now.
        """
        kind = told.get("Type")
        texts = (kind, told.get("Message"), told.get("TopicArn"))
        if not all(isinstance(text, str) for text in texts) or kind not in _SIGNED:
            raise malformed("this is no message of Amazon SNS", code="no_notification")
        if told["TopicArn"] not in self.topics:
            raise _forbidden("this topic is not one of ours")
        await self._check(told)
        if kind == "Notification":
            await self._pass_on(told)
        elif kind == "SubscriptionConfirmation":
            await self._visit(str(told.get("SubscribeURL")))
        else:
            log.warning("mail_topic_unsubscribed", topic=told["TopicArn"])

    async def _check(self, told: Told) -> None:
        hashing = _HASHES.get(str(told.get("SignatureVersion")))
        if hashing is None:
            raise _forbidden("the signature version is unknown")
        key = await self._key(str(told.get("SigningCertURL")))
        try:
            signature = base64.b64decode(str(told.get("Signature")), validate=True)
            key.verify(signature, _canonical(told), PKCS1v15(), hashing())
        except (binascii.Error, InvalidSignature) as error:
            raise _forbidden("the signature does not match") from error

    async def _key(self, url: str) -> RSAPublicKey:
        """Of the certificate at an address of Amazon's own; known ones are not fetched again."""
        if not _is_amazons(url) or not urlsplit(url).path.endswith(".pem"):
            raise _forbidden("the certificate is not at an address of Amazon SNS")
        if url not in self._keys:
            self._keys[url] = _public_key(await self._fetched(url))
            while len(self._keys) > MAX_CERTIFICATES:
                self._keys.popitem(last=False)
        return self._keys[url]

    async def _visit(self, url: str) -> None:
        if not _is_amazons(url):
            raise _forbidden("the confirmation is not at an address of Amazon SNS")
        await self._fetched(url)
        log.info("mail_topic_confirmed")

    async def _fetched(self, url: str) -> bytes:
        try:
            return await self.fetch(url)
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("sns_not_reached", because=type(error).__name__)
            raise unavailable("sns_unavailable", "Amazon SNS cannot be asked now") from error

    async def _pass_on(self, told: Told) -> None:
        try:
            await self.publisher.publish(dict(told), self.queue)
        except (BotoCoreError, ClientError, SQSError, OSError, TimeoutError) as error:
            log.warning("notification_not_passed_on", because=str(error))
            raise unavailable("bus_unavailable", "this cannot be passed on now") from error


async def take_notification(context: RequestContext) -> Answer:
    """SNS sends JSON as text/plain, and comes again on anything but a 2xx."""
    notifications = context.parts.notifications
    if not notifications.topics:
        raise not_found()
    told = parse_json(await read_raw(context.request), BRACKETS)
    if not isinstance(told, dict):
        raise malformed("this is no message of Amazon SNS", code="no_notification")
    await notifications.take(told)
    return Answer(204)


def _canonical(told: Told) -> bytes:
    """What is signed: names and values of the signed members that are there, a line each."""
    names = [name for name in _SIGNED[told["Type"]] if told.get(name) is not None]
    return "".join(f"{name}\n{told[name]}\n" for name in names).encode()


def _public_key(certificate: bytes) -> RSAPublicKey:
    try:
        key = load_pem_x509_certificate(certificate).public_key()
    except ValueError as error:
        raise unavailable("sns_unavailable", "the certificate cannot be read") from error
    if not isinstance(key, RSAPublicKey):
        raise _forbidden("the certificate has no RSA key")
    return key


def _is_amazons(url: str) -> bool:
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "https" and parts.port is None and parts.username is None
    except ValueError:  # no address at all
        return False
    return plain and _HOST.fullmatch(parts.hostname or "") is not None


def _forbidden(why: str) -> Problem:
    return Problem(403, "not_from_sns", why)
