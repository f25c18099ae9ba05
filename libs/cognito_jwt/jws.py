"""Verify compact JSON Web Signatures: RS256 only, and only in their canonical encoding."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWS

from cognito_jwt.nesting import is_nested_deeper

MAX_TOKEN_CHARACTERS: Final = 8_192
"""Longer tokens are rejected before they are parsed; Cognito issues 1,000 to 2,000."""
ALGORITHM: Final = "RS256"
_MAX_NESTING = 16
_KNOWN_HEADERS = frozenset({"alg", "kid", "typ"})
"""Any other parameter (`crit`, `jku`, `x5u`, `jwk`, `b64`, `zip`, `cty` …) is rejected."""
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_KID = re.compile(r"[A-Za-z0-9+/=_.:-]{1,256}", re.ASCII)
_RS256: Final[Any] = PyJWS(algorithms=[ALGORITHM]).get_algorithm_by_name(ALGORITHM)


class InvalidToken(Exception):
    """The token is not acceptable; the message says why and does not quote the token."""


class UnknownKey(InvalidToken):
    """The token names a signing key (`kid`) that is not known here; it may be a new one."""

    def __init__(self, kid: str) -> None:
        super().__init__("the token is signed by a key that its issuer does not publish")
        self.kid = kid


def verify_jws(token: str, keys: Mapping[str, RSAPublicKey]) -> bytes:
    """Return the payload of a compact JWS.

    Exactly one encoding of a token is accepted, so two different strings are never the same token.

    Args:
        token: The compact serialization, three base64url parts joined by dots.
        keys: Key id to the RSA public key that may have signed the token.

    Raises:
        UnknownKey: `keys` does not hold the key id that the token names.
        InvalidToken: The token is malformed, uses another algorithm or an unexpected header
            parameter, or its signature is wrong. No other exception is raised.
    """
    header, payload, signature = split(token)
    check_signature(token, keys, header, signature)
    return decode_part(payload)


def check_signature(
    token: str, keys: Mapping[str, RSAPublicKey], header_part: str, signature_part: str
) -> None:
    """Check the header and the signature of a token that has been split.

    Raises:
        UnknownKey: `keys` does not hold the key id that the token names.
        InvalidToken: As `verify_jws` says.
    """
    header = strict_object(decode_part(header_part), "header")
    _check_header(header)
    kid = header["kid"]
    if (key := keys.get(kid)) is None:
        raise UnknownKey(kid)
    signature = decode_part(signature_part)
    signed = token[: -len(signature_part) - 1].encode()
    if not _RS256.verify(signed, key, signature):
        raise InvalidToken("the token's signature is wrong")


def split(token: str) -> tuple[str, str, str]:
    """Return header, payload and signature, still encoded.

    Raises:
        InvalidToken: The token is too long or does not have three base64url parts.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidToken(f"the token is longer than {MAX_TOKEN_CHARACTERS} characters")
    if _SHAPE.fullmatch(token) is None:
        raise InvalidToken("the token is not three base64url parts joined by dots")
    header, payload, signature = token.split(".")
    return header, payload, signature


def decode_part(part: str) -> bytes:
    """Decode base64url without padding; unused trailing bits must be zero.

    Raises:
        InvalidToken: The part is not base64url, or not its canonical encoding.
    """
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise InvalidToken("the token is not base64url") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise InvalidToken("the token is not canonical base64url")
    return decoded


def strict_object(encoded: bytes, name: str) -> dict[str, Any]:
    """Parse a JSON object strictly.

    Args:
        encoded: UTF-8 without a byte order mark.
        name: What it is, for the error message.

    Raises:
        InvalidToken: It is not a JSON object, has a duplicate name, NaN or an infinite number, more
            than 16 levels of nesting, or text that is not valid Unicode.
    """
    if is_nested_deeper(encoded, _MAX_NESTING):
        raise InvalidToken(f"the token's {name} is nested too deep")
    try:
        text = encoded.decode("utf-8")
        value = _STRICT.decode(text)
        if "\\u" in text:  # only escapes can be half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise InvalidToken(f"the token's {name} is not plain JSON") from error
    if not isinstance(value, dict):
        raise InvalidToken(f"the token's {name} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate name")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _check_header(header: dict[str, Any]) -> None:
    if header.get("alg") != ALGORITHM:
        raise InvalidToken(f"the token is not signed with {ALGORITHM}")
    if header.get("typ", "JWT") != "JWT":
        raise InvalidToken("the token's type is not JWT")
    if unknown := header.keys() - _KNOWN_HEADERS:
        raise InvalidToken(f"the token's header has {len(unknown)} unsupported parameter(s)")
    kid = header.get("kid")
    if not isinstance(kid, str) or _KID.fullmatch(kid) is None:
        raise InvalidToken("the token does not name its signing key")
