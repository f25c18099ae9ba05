"""Derive tokens and address digests from one secret key, so that none has to be stored (pure).

A token is an HMAC-SHA256 of its purpose: 256 bits that cannot be guessed without the key. The log
holds only its SHA-256. A mail that is sent twice after a crash has the same token both times.
"""

import base64
import hmac
from dataclasses import dataclass, field

from contracts.addresses import folded, in_unicode


@dataclass(frozen=True, slots=True)
class Tokens:
    """Derive tokens and digests from a key."""

    key: bytes = field(repr=False)

    def invite(self, invite_id: str, generation: int) -> str:
        """Return the token that opens an invitation; a resend makes a new generation."""
        return _encode(self._digest("invite", f"{invite_id}/{generation}"))

    def unsubscribe(self, invite_id: str) -> str:
        """Return a token that can only unsubscribe, so that it is safe in a URL."""
        return _encode(self._digest("unsubscribe", invite_id))

    def address_key(self, address: str) -> str:
        """Return a digest that identifies a person's address, whatever its spelling."""
        return self._digest("address", folded(address)).hex()

    def address_keys(self, address: str) -> tuple[str, ...]:
        """Return the digests under which a suppression of the address may be stored.

        The first is `address_key`. Earlier versions stored one digest for each spelling.
        """
        older = self._digest("address", in_unicode(address)).hex()
        return tuple(dict.fromkeys((self.address_key(address), older)))

    def _digest(self, purpose: str, subject: str) -> bytes:
        return hmac.digest(self.key, f"{purpose}\n{subject}".encode(), "sha256")


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
