"""SNS is believed by its signature, and by nothing else that a message says."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.api.mail_events import _canonical
from tests.gateway.conftest import Door, Doors, Reply

TOPIC = "arn:aws:sns:eu-west-2:123456789012:vouch-mail-feedback"
CERTIFICATE = "https://sns.eu-west-2.amazonaws.com/SimpleNotificationService-1.pem"
QUEUE = "test-invites-feedback"
PATH = "/v1/mail/events"


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def notification(**changes: Any) -> dict[str, Any]:
    message = {"notificationType": "Bounce", "mail": {"messageId": "m-1"}}
    return {
        "Type": "Notification",
        "MessageId": "id-1",
        "TopicArn": TOPIC,
        "Message": json.dumps(message),
        "Timestamp": "2026-11-01T12:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
    } | changes


def signed(key: RSAPrivateKey, told: dict[str, Any]) -> dict[str, Any]:
    hashing = SHA1() if told["SignatureVersion"] == "1" else SHA256()  # noqa: S303  as SNS does
    signature = key.sign(_canonical(told), PKCS1v15(), hashing)
    return told | {"Signature": base64.b64encode(signature).decode()}


@pytest.fixture
async def door(doors: Doors, key: RSAPrivateKey) -> Door:
    doors.pages[CERTIFICATE] = certificate(key)
    return await doors.open(mail_topics=frozenset({TOPIC}))


async def tell(door: Door, told: object) -> Reply:
    """As SNS does: JSON, called text."""
    headers = {"Content-Type": "text/plain; charset=UTF-8"}
    return await door.post(PATH, data=json.dumps(told), headers=headers)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_what_sns_has_signed_is_passed_on_as_it_is(
    version: str, door: Door, doors: Doors, key: RSAPrivateKey
) -> None:
    told = signed(key, notification(SignatureVersion=version))
    assert (await tell(door, told)).status == 204
    assert (await tell(door, told)).status == 204
    assert [(sent.queue, sent.body) for sent in door.bus.sent] == [(QUEUE, told)] * 2
    assert doors.fetched == [CERTIFICATE]  # once


async def test_a_subject_is_signed_if_there_is_one(door: Door, key: RSAPrivateKey) -> None:
    assert (await tell(door, signed(key, notification(Subject="Hello")))).status == 204
    unsigned = signed(key, notification()) | {"Subject": "Hello"}
    assert (await tell(door, unsigned)).status == 403


@pytest.mark.parametrize(
    "change",
    [
        {"Message": "{}"},
        {"Timestamp": "2026-11-02T12:00:00.000Z"},
        {"Signature": "AAAA"},
        {"Signature": "no base64!"},
        {"Signature": None},
        {"SignatureVersion": "3"},
        {"SignatureVersion": "1"},
        {"TopicArn": "arn:aws:sns:eu-west-2:666666666666:vouch-mail-feedback"},
        {"SigningCertURL": "https://sns.eu-west-2.amazonaws.com.evil.example/a.pem"},
        {"SigningCertURL": "https://evil.example/sns.eu-west-2.amazonaws.com/a.pem"},
        {"SigningCertURL": "https://user@sns.eu-west-2.amazonaws.com/a.pem"},
        {"SigningCertURL": "https://sns.eu-west-2.amazonaws.com:8443/a.pem"},
        {"SigningCertURL": "http://sns.eu-west-2.amazonaws.com/a.pem"},
        {"SigningCertURL": "https://sns.eu-west-2.amazonaws.com/a.txt"},
        {"SigningCertURL": "https://sns.eu-west-2.amazonaws.com:port/a.pem"},
        {"SigningCertURL": "https://[sns"},
        {"SigningCertURL": None},
    ],
)
async def test_anything_else_is_not_believed(
    change: dict[str, Any], door: Door, doors: Doors, key: RSAPrivateKey
) -> None:
    answer = await tell(door, signed(key, notification()) | change)
    assert (answer.status, answer.json["code"]) == (403, "not_from_sns")
    assert door.bus.sent == []
    assert set(doors.fetched) <= {CERTIFICATE}


async def test_another_key_signs_in_vain(door: Door) -> None:
    other = generate_private_key(public_exponent=65537, key_size=2048)
    assert (await tell(door, signed(other, notification()))).status == 403


@pytest.mark.parametrize("told", [[], "text", {}, {"Type": "Notification"}, {"Type": ["a"]}, 7])
async def test_what_is_no_notification_is_told(told: object, door: Door) -> None:
    answer = await tell(door, told)
    assert (answer.status, answer.json["code"]) == (400, "no_notification")


def confirmation(url: str) -> dict[str, Any]:
    return notification(Type="SubscriptionConfirmation", Token="t", SubscribeURL=url)


async def test_a_subscription_is_confirmed_at_amazons_own_address(
    door: Door, doors: Doors, key: RSAPrivateKey
) -> None:
    good = "https://sns.eu-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    doors.pages[good] = b"<ok/>"
    assert (await tell(door, signed(key, confirmation(good)))).status == 204
    assert good in doors.fetched
    bad = "https://evil.example/?Action=ConfirmSubscription"
    assert (await tell(door, signed(key, confirmation(bad)))).status == 403
    assert bad not in doors.fetched
    assert door.bus.sent == []


async def test_what_cannot_be_passed_on_comes_again(door: Door, key: RSAPrivateKey) -> None:
    door.bus.down = True
    answer = await tell(door, signed(key, notification()))
    assert (answer.status, answer.json["code"]) == (503, "bus_unavailable")


async def test_a_certificate_that_cannot_be_had_is_asked_for_again(
    door: Door, doors: Doors, key: RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(_url: str) -> bytes:
        raise OSError

    notifications = door.gateway.parts.notifications
    monkeypatch.setattr(notifications, "fetch", unreachable)
    assert (await tell(door, signed(key, notification()))).status == 503
    monkeypatch.undo()
    assert (await tell(door, signed(key, notification()))).status == 204
    assert doors.fetched == [CERTIFICATE]


async def test_without_topics_there_is_nothing_here(doors: Doors, key: RSAPrivateKey) -> None:
    door = await doors.open()
    assert (await tell(door, signed(key, notification()))).status == 404
