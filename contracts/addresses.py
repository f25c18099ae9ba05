"""Which e-mail addresses are one person's, for comparing only: nobody is written to this form."""

import hashlib

_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
"""Providers that deliver with and without dots alike, and the domain that they mean."""
DIGEST_CHARACTERS = 32


def folded(address: str) -> str:
    """Lower case, without a +tag, and without dots where the provider ignores them."""
    local, _, domain = address.strip().lower().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), _DOTLESS[domain]
    return f"{local}@{domain}"


def digest(address: str) -> str:
    """Names an address where the address itself must not stand, such as in a claim."""
    return hashlib.sha256(folded(address).encode()).hexdigest()[:DIGEST_CHARACTERS]


def masked(address: str) -> str:
    """For others: `b***@e***.com`."""
    local, _, domain = address.rpartition("@")
    name, dot, top = domain.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***{dot}{top}"
