"""Name what the confirmation of a referral reserves (pure)."""


def person_claim(invited_id: str) -> str:
    """Return the claim that one person is referred once."""
    return f"invited#{invited_id}"


def address_claim(address_digest: str) -> str:
    """Return the claim that one address is referred once."""
    return f"address#{address_digest}"
