"""What Cognito says in a verified token, checked claim by claim."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cognito_jwt.jws import InvalidToken

TokenUse = Literal["id", "access"]

SKEW_SECONDS: Final = 5
"""How far Cognito's clock may run ahead of ours; `exp` gets no grace."""
SERVICE_SCOPE: Final = "vouch/users.write"
SERVICE_GROUP: Final = "service"
ADMIN_GROUP: Final = "admin"
_LATEST = 2**53
_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", re.ASCII)
"""As `contracts.messages.Identifier`: a subject becomes part of stream and key names."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One user pool that we trust, and which of its app clients are ours."""

    issuer: str
    client_ids: frozenset[str]
    """Clients that people sign in with."""
    service_client_ids: frozenset[str] = frozenset()
    """Clients that are programs with a secret (client-credentials grant)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified token, as far as the gateway cares."""

    subject: str
    client_id: str
    use: TokenUse
    expires_at: int
    """UNIX seconds."""
    issued_at: int
    auth_time: int
    email: str | None = None
    """Set only if Cognito has verified the address."""
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    program: bool = False
    """A service client's own token, not a person's."""
    jti: str | None = None
    origin_jti: str | None = None
    tag: str = field(default="", compare=False)
    """A digest of the subject for logs."""

    @property
    def is_service(self) -> bool:
        if self.use != "access":
            return False
        return SERVICE_GROUP in self.groups or (self.program and SERVICE_SCOPE in self.scopes)

    @property
    def is_admin(self) -> bool:
        return self.use == "access" and ADMIN_GROUP in self.groups


def read_claims(claims: Mapping[str, Any], pool: Pool, now: float) -> Caller:
    """The caller that these claims describe; `now` in UNIX seconds.

    Raises:
        InvalidToken: a claim is missing, has the wrong type, or says that the token is not
            (any more) for us.
    """
    if claims.get("iss") != pool.issuer:
        raise InvalidToken("the token is from another issuer")
    use = _use(claims)
    client_id = _text(claims, "client_id" if use == "access" else "aud")
    program = use == "access" and client_id in pool.service_client_ids
    if not program and client_id not in pool.client_ids:
        raise InvalidToken("the token is for another client")
    expires_at, issued_at = _times(claims, now)
    subject = _subject(claims)
    return Caller(
        subject=subject,
        client_id=client_id,
        use=use,
        expires_at=expires_at,
        issued_at=issued_at,
        auth_time=_time(claims, "auth_time") if "auth_time" in claims else issued_at,
        email=_verified_email(claims) if use == "id" else None,
        groups=_groups(claims),
        scopes=_scopes(claims),
        program=program,
        jti=_optional_text(claims, "jti"),
        origin_jti=_optional_text(claims, "origin_jti"),
        tag=hashlib.sha256(subject.encode()).hexdigest()[:12],
    )


def _use(claims: Mapping[str, Any]) -> TokenUse:
    match claims.get("token_use"):
        case "id":
            return "id"
        case "access":
            return "access"
        case _:
            raise InvalidToken("the token is neither an ID token nor an access token")


def _times(claims: Mapping[str, Any], now: float) -> tuple[int, int]:
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    if expires_at <= now:
        raise InvalidToken("the token has expired")
    if issued_at > now + SKEW_SECONDS:
        raise InvalidToken("the token is from the future")
    if "nbf" in claims and _time(claims, "nbf") > now + SKEW_SECONDS:
        raise InvalidToken("the token is not valid yet")
    return expires_at, issued_at


def _time(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 < value < _LATEST:  # a bool is an int, but no time
        raise InvalidToken(f"the token's {name} is not a time")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidToken(f"the token's {name} is not a text")
    return value


def _optional_text(claims: Mapping[str, Any], name: str) -> str | None:
    return _text(claims, name) if name in claims else None


def _subject(claims: Mapping[str, Any]) -> str:
    subject = _text(claims, "sub")
    if _SUBJECT.fullmatch(subject) is None:
        raise InvalidToken("the token's subject is not a plain identifier")
    return subject


def _groups(claims: Mapping[str, Any]) -> frozenset[str]:
    groups = claims.get("cognito:groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise InvalidToken("the token's groups are not a list of texts")
    return frozenset(groups)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    return frozenset((_optional_text(claims, "scope") or "").split())


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    email = _optional_text(claims, "email")
    # Cognito writes a boolean; through some identity providers and emulators it is a text
    verified = claims.get("email_verified")
    return email if verified is True or verified == "true" else None
