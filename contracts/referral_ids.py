"""Derive the ids that stand for an e-mail address where the address itself must not appear.

A use id names one person's use of one referrer's codes, and an address digest claims an address for
the person who was referred with it. Both are keyed. Without the key, a referrer cannot test whether
an id belongs to an address, although it knows the ids of its uses and the masked addresses.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from contracts.addresses import digest, folded
from contracts.secret_keys import listed_keys

ID_CHARACTERS: Final = 32
KEY: Final = (
    "Secret key of referral ids and address digests, the same for the gateway and the referrals "
    "service: at least 32 random characters. Keep it: without it, an address that was referred "
    "is not recognised."
)
"""Description of the setting REFERRALS_KEY."""
EARLIER_KEYS: Final = (
    "Keys that REFERRALS_KEY has replaced or is about to be replaced with, separated by commas; "
    "ids that were made with them are valid."
)
"""Description of the setting REFERRALS_EARLIER_KEYS."""


@dataclass(frozen=True, slots=True, repr=False)
class ReferralIds:
    """Derive ids with a secret key, and recognise those of earlier keys.

    Ids that were made before there was a key stay valid, too: they are the last ones of each list.
    """

    key: bytes
    earlier_keys: tuple[bytes, ...] = ()
    """Keys that were replaced, the newest first."""

    @classmethod
    def from_secrets(cls, key: str, earlier_keys: str = "") -> "ReferralIds":
        """Return the ids of the settings; `earlier_keys` are separated by commas."""
        return cls(key.encode(), listed_keys(earlier_keys))

    def use_id(self, referrer_id: str, address: str) -> str:
        """Return the id of a new use; all spellings of the address have the same one."""
        return _keyed(self.key, f"use\n{referrer_id}\n{folded(address)}")

    def use_ids(self, referrer_id: str, address: str) -> tuple[str, ...]:
        """Return all ids that a use may have: the one of a new use first, then earlier ones."""
        subject = folded(address)
        keyed = (_keyed(key, f"use\n{referrer_id}\n{subject}") for key in self._keys)
        return (*keyed, _unkeyed_use_id(referrer_id, subject))

    def address_digest(self, address: str) -> str:
        """Return the digest that claims an address in all its spellings."""
        return _keyed(self.key, f"address\n{folded(address)}")

    def earlier_address_digests(self, address: str) -> tuple[str, ...]:
        """Return the digests by which the address may have been claimed earlier."""
        subject = f"address\n{folded(address)}"
        keyed = (_keyed(key, subject) for key in self.earlier_keys)
        return (*keyed, digest(address))

    @property
    def _keys(self) -> tuple[bytes, ...]:
        return (self.key, *self.earlier_keys)


def _keyed(key: bytes, subject: str) -> str:
    return hmac.digest(key, subject.encode(), "sha256").hex()[:ID_CHARACTERS]


def _unkeyed_use_id(referrer_id: str, folded_address: str) -> str:
    """Return the id that uses had before ids were keyed."""
    return hashlib.sha256(f"{referrer_id}\n{folded_address}".encode()).hexdigest()[:ID_CHARACTERS]
