"""Tokens and digests: made from one secret key, so that nothing needs to be kept of them (pure).

A token is HMAC-SHA256 of what it is for: 256 bits that nobody guesses without the key. The log has
their SHA-256 only. A mail that has to be written twice after a crash has the same token twice.
"""

import base64
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tokens:
    key: bytes = field(repr=False)

    def invite(self, invite_id: str, generation: int) -> str:
        """Opens the invitation, until it is resent as another generation."""
        return _text(self._digest("invite", f"{invite_id}/{generation}"))

    def unsubscribe(self, invite_id: str) -> str:
        """Can do nothing else, so that it may stand in a URL."""
        return _text(self._digest("unsubscribe", invite_id))

    def address_key(self, address: str) -> str:
        """Names an address in a list that outlives the address itself."""
        return self._digest("address", address.strip().lower()).hex()

    def _digest(self, purpose: str, what: str) -> bytes:
        return hmac.digest(self.key, f"{purpose}\n{what}".encode(), "sha256")


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
