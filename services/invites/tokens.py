"""Derive tokens and address digests from secret keys, so that none has to be stored (pure).

A token is an HMAC-SHA256 of its purpose: 256 bits that cannot be guessed without the key. The log
holds only its SHA-256. A mail that is sent twice after a crash has the same token both times, and
so has its reminder, although the key may have been replaced in between.
"""

import base64
import hmac
from dataclasses import dataclass, field

from contracts.addresses import folded, in_unicode
from contracts.secret_keys import listed_keys
from contracts.tokens import token_digest


@dataclass(frozen=True, slots=True)
class Tokens:
    """Derive tokens and digests from a key, and recognise those of earlier keys."""

    key: bytes = field(repr=False)
    earlier_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """Keys that were replaced. Nothing new is made with them."""

    @classmethod
    def from_secrets(cls, key: str, earlier_keys: str = "") -> "Tokens":
        """Return the tokens of the settings; `earlier_keys` is a list of keys."""
        return cls(key.encode(), listed_keys(earlier_keys))

    def invite(self, invite_id: str, generation: int, mailed: str | None = None) -> str:
        """Return the token that opens an invitation; a resend makes a new generation.

        Args:
            invite_id: Id of the invitation.
            generation: Number of the mail that introduces the token.
            mailed: Digest of the token of this generation that a mail has already.
        """
        return self._token("invite", f"{invite_id}/{generation}", mailed)

    def unsubscribe(self, invite_id: str, mailed: str | None = None) -> str:
        """Return a token that can only unsubscribe, so that it is safe in a URL.

        Args:
            invite_id: Id of the invitation.
            mailed: Digest of the token that an earlier mail of this invitation has.
        """
        return self._token("unsubscribe", invite_id, mailed)

    def address_key(self, address: str) -> str:
        """Return a digest that identifies a person's address, whatever its spelling."""
        return _digest(self.key, "address", folded(address)).hex()

    def earlier_address_keys(self, address: str) -> tuple[str, ...]:
        """Return what `address_key` was, or is in other processes, under the earlier keys."""
        return tuple(_digest(key, "address", folded(address)).hex() for key in self.earlier_keys)

    def address_keys(self, address: str) -> tuple[str, ...]:
        """Return the digests under which a suppression of the address may be stored.

        The first is `address_key`. Earlier versions stored one digest for each spelling.
        """
        return tuple(
            dict.fromkeys(
                _digest(key, "address", spelling).hex()
                for key in self._keys
                for spelling in (folded(address), in_unicode(address))
            )
        )

    def _token(self, purpose: str, subject: str, mailed: str | None) -> str:
        """Return the token with the digest `mailed` if a key makes it, else that of the key."""
        made = [_encode(_digest(key, purpose, subject)) for key in self._keys]
        return next((token for token in made if token_digest(token) == mailed), made[0])

    @property
    def _keys(self) -> tuple[bytes, ...]:
        return (self.key, *self.earlier_keys)


def _digest(key: bytes, purpose: str, subject: str) -> bytes:
    return hmac.digest(key, f"{purpose}\n{subject}".encode(), "sha256")


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
