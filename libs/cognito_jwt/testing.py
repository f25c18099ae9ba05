"""Issue tokens as Amazon Cognito does, for tests and examples without Cognito."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

Claims = dict[str, Any]


@dataclass
class TokenIssuer:
    """Sign tokens with generated keys and publish the keys as a JWKS document.

    Call `rotate` before the first token; it takes about 50 ms.
    """

    issuer: str = "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_TestPool"
    client_id: str = "web-client"
    service_client_id: str = "service-client"
    keys: dict[str, RSAPrivateKey] = field(default_factory=dict)
    """Key id to key; the last one signs."""
    down: bool = False
    """Whether `fetch` fails."""
    fetches: int = 0

    def rotate(self, kid: str) -> None:
        """Generate a key, publish it, and sign with it from now on."""
        self.keys[kid] = generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def kid(self) -> str:
        """The id of the key that signs."""
        return list(self.keys)[-1]

    def jwks(self) -> bytes:
        """Return the public keys as a JWKS document."""
        rows = []
        for kid, key in self.keys.items():
            public = key.public_key().public_numbers()
            row = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid}
            rows.append(row | {"n": _base64_integer(public.n), "e": _base64_integer(public.e)})
        return json.dumps({"keys": rows}).encode()

    async def fetch(self) -> bytes:
        """Return the JWKS document, as the `fetch` of a `KeySet`.

        Raises:
            OSError: `down` is set.
        """
        self.fetches += 1
        if self.down:
            raise OSError("connection refused")
        return self.jwks()

    def access(self, subject: str, **claims: Any) -> str:
        """Return an access token of a person; a claim of None is left out."""
        return self.sign(without_none(self.access_claims(subject) | claims))

    def id(self, subject: str, **claims: Any) -> str:
        """Return an ID token of a person; a claim of None is left out."""
        return self.sign(without_none(self.id_claims(subject) | claims))

    def service(self, **claims: Any) -> str:
        """Return an access token of the service client itself (client-credentials grant)."""
        own = {"client_id": self.service_client_id, "username": None}
        return self.access(self.service_client_id, **(own | claims))

    def sign(self, payload: Claims | bytes, header: dict[str, Any] | None = None) -> str:
        """Return a token with any payload and any header, truly signed by the newest key."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        head = json.dumps({"kid": self.kid, "alg": "RS256"} if header is None else header)
        return self.sign_parts(base64_url(head.encode()), base64_url(body))

    def sign_parts(self, header: str, payload: str) -> str:
        """Return a token out of two encoded parts and their signature."""
        signing_input = f"{header}.{payload}"
        key = self.keys[self.kid]
        signature = jwt.get_algorithm_by_name("RS256").sign(signing_input.encode(), key)
        return f"{signing_input}.{base64_url(signature)}"

    def access_claims(self, subject: str) -> Claims:
        """Return the claims of an access token that is valid for an hour."""
        return self._common_claims(subject) | {
            "token_use": "access",
            "client_id": self.client_id,
            "scope": "aws.cognito.signin.user.admin",
            "username": subject,
        }

    def id_claims(self, subject: str) -> Claims:
        """Return the claims of an ID token that is valid for an hour."""
        return self._common_claims(subject) | {
            "token_use": "id",
            "aud": self.client_id,
            "email": f"{subject[-8:]}@example.com",
            "email_verified": True,
            "cognito:username": subject,
        }

    def _common_claims(self, subject: str) -> Claims:
        now = int(time.time())
        return {
            "sub": subject,
            "iss": self.issuer,
            "origin_jti": "origin-1",
            "jti": "jti-1",
            "auth_time": now - 10,
            "iat": now - 10,
            "exp": now + 3600,
        }


def without_none(claims: Claims) -> Claims:
    """Return the claims that are not None."""
    return {name: value for name, value in claims.items() if value is not None}


def base64_url(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _base64_integer(value: int) -> str:
    return base64_url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
