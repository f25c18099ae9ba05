"""Declare every rate limit of the API in one table."""

from typing import Final

from token_bucket import Limit, Outage, Scope, Table

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400

_LIMITS: Final = (
    # before a signature is checked: a forged token costs us a hundred microseconds
    Limit("unverified", 600, MINUTE, Scope.ADDRESS),
    Limit("reads", 120, MINUTE, Scope.PERSON),
    Limit("writes", 60, MINUTE, Scope.PERSON),
    Limit("accounts", 10, HOUR, Scope.PERSON),
    Limit("services", 6_000, MINUTE, Scope.PERSON),
    Limit("invites", 10, DAY, Scope.PERSON),
    Limit("invite-bulks", 5, DAY, Scope.PERSON),
    # tokens have 256 bits: this spares us the work, it keeps no guesser out
    Limit("invite-tokens", 10, MINUTE, Scope.ADDRESS),
    Limit("refreshes", 5, HOUR, Scope.PERSON),
    Limit("admin", 120, MINUTE, Scope.PERSON),
    # guessing of referral codes; forty-five random bits are the first line, these the second
    Limit("guesses-minute", 10, MINUTE, Scope.ADDRESS, Outage.CLOSED),
    Limit("guesses-day", 100, DAY, Scope.ADDRESS, Outage.CLOSED),
    Limit("guesses-person", 10, MINUTE, Scope.PERSON, Outage.CLOSED),
    Limit("guesses-missed", 1_000, HOUR, Scope.EVERYBODY, Outage.CLOSED),
    Limit("misses-address", 30, HOUR, Scope.ADDRESS, Outage.CLOSED),
    Limit("misses-person", 30, HOUR, Scope.PERSON, Outage.CLOSED),
    # a seat that is reserved is kept from others for half an hour
    Limit("uses", 5, HOUR, Scope.ADDRESS, Outage.CLOSED),
    Limit("codes", 20, DAY, Scope.PERSON),
    Limit("documents", 300, MINUTE, Scope.ADDRESS),
)


def default_limits() -> Table:
    """Return a fresh table of the API's limits, without overrides."""
    return Table.of(*_LIMITS)
