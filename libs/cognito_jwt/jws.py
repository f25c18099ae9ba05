"""A signed token in, its payload out: RS256 only, in its one canonical spelling."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWS
from jwt.exceptions import PyJWTError

MAX_TOKEN_CHARACTERS: Final = 8_192
"""Cognito's tokens have one to two thousand."""
ALGORITHM: Final = "RS256"
_MAX_NESTING = 16
_KNOWN_HEADERS = frozenset({"alg", "kid", "typ"})
"""Anything else (`crit`, `jku`, `x5u`, `jwk`, `b64`, `zip`, `cty` …) asks for more than we do."""
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_KID = re.compile(r"[A-Za-z0-9+/=_.:-]{1,256}", re.ASCII)
_JWS = PyJWS(algorithms=[ALGORITHM])


class InvalidToken(Exception):  # noqa: N818  names what it is
    """This token opens nothing; the message says why, without quoting the token."""


class UnknownKey(InvalidToken):
    """Signed by a key that we have not seen: perhaps a new one."""

    def __init__(self, kid: str) -> None:
        super().__init__("the token is signed by a key that its issuer does not publish")
        self.kid = kid


def verify_jws(token: str, keys: Mapping[str, RSAPublicKey]) -> bytes:
    """The payload of a compact JWS that one of `keys` (by key id) has signed with RS256.

    A token has exactly one accepted spelling, so that two strings are never the same token.

    Raises:
        UnknownKey: no key has the id that the token names.
        InvalidToken: anything else that is wrong with it. No other exception leaves here.
    """
    header_part, payload_part, signature_part = split(token)
    header = strict_object(decode_part(header_part), "header")
    _check_header(header)
    kid = header["kid"]
    if (key := keys.get(kid)) is None:
        raise UnknownKey(kid)
    decode_part(signature_part)
    payload = decode_part(payload_part)
    _check_signature(token, key)
    return payload


def split(token: str) -> tuple[str, str, str]:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidToken(f"the token is longer than {MAX_TOKEN_CHARACTERS} characters")
    if _SHAPE.fullmatch(token) is None:
        raise InvalidToken("the token is not three base64url parts joined by dots")
    header, payload, signature = token.split(".")
    return header, payload, signature


def decode_part(part: str) -> bytes:
    """Base64url without padding, and without spare bits that a second spelling could hide in."""
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise InvalidToken("the token is not base64url") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise InvalidToken("the token is not canonical base64url")
    return decoded


def strict_object(encoded: bytes, name: str) -> dict[str, Any]:
    """A JSON object without duplicate names, endless numbers, deep nesting or broken text."""
    if encoded.count(b"{") + encoded.count(b"[") > _MAX_NESTING:
        raise InvalidToken(f"the token's {name} is nested too deep")
    try:
        text = encoded.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # no lone surrogates
    except (ValueError, RecursionError) as error:
        raise InvalidToken(f"the token's {name} is not plain JSON") from error
    if not isinstance(value, dict):
        raise InvalidToken(f"the token's {name} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _check_header(header: dict[str, Any]) -> None:
    if header.get("alg") != ALGORITHM:
        raise InvalidToken(f"the token is not signed with {ALGORITHM}")
    if header.get("typ", "JWT") != "JWT":
        raise InvalidToken("the token's type is not JWT")
    if strange := sorted(header.keys() - _KNOWN_HEADERS):
        raise InvalidToken(f"the token's header has {len(strange)} parameter(s) not used here")
    kid = header.get("kid")
    if not isinstance(kid, str) or _KID.fullmatch(kid) is None:
        raise InvalidToken("the token does not name its key")


def _check_signature(token: str, key: RSAPublicKey) -> None:
    try:
        _JWS.decode(token, key, algorithms=[ALGORITHM])
    except (PyJWTError, ValueError, TypeError) as error:
        raise InvalidToken("the token's signature is wrong") from error
