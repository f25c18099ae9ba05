"""Compare, digest and mask e-mail addresses."""

import hashlib

_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
"""Domains of providers that ignore dots -> their main domain."""
DIGEST_CHARACTERS = 32


def folded(address: str) -> str:
    """Return an address in the form in which addresses of the same person are equal.

    Lower case, without a +tag, and without dots where the provider ignores them. For comparison
    only: no mail is sent to this form.
    """
    local, _, domain = address.strip().lower().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), _DOTLESS[domain]
    return f"{local}@{domain}"


def digest(address: str) -> str:
    """Return an id for an address where the address itself must not appear, such as in a claim."""
    return hashlib.sha256(folded(address).encode()).hexdigest()[:DIGEST_CHARACTERS]


def masked(address: str) -> str:
    """Return an address as other people may see it, such as `b***@e***.com`."""
    local, _, domain = address.rpartition("@")
    name, dot, top = domain.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***{dot}{top}"
