"""Digest the secret tokens of mails: the log and read models hold digests, never tokens."""

import hashlib


def token_digest(token: str) -> str:
    """Return the SHA-256 of a token, as 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
