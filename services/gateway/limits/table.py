"""Declare every rate limit of the API in one table."""

from typing import Final

from token_bucket import Limit, LimitTable, OutagePolicy, Scope

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400

LIMIT_OVERRIDES: Final = "gateway:limits"
"""A Redis hash that overrides limits at run time: name to `240/60` or `240/60;shadow`."""

_LIMITS: Final = (
    # charged before a signature is checked, which takes a hundred microseconds
    Limit("unverified", 600, MINUTE, Scope.ADDRESS),
    Limit("reads", 120, MINUTE, Scope.USER),
    Limit("writes", 60, MINUTE, Scope.USER),
    Limit("accounts", 10, HOUR, Scope.USER),
    Limit("services", 6_000, MINUTE, Scope.USER),
    # instead of the limits above and below, for a request whose Idempotency-Key was used before
    Limit("repetitions", 120, MINUTE, Scope.USER),
    Limit("repetitions-address", 120, MINUTE, Scope.ADDRESS),
    Limit("invites", 10, DAY, Scope.USER),
    Limit("invite-bulks", 5, DAY, Scope.USER),
    # limit the work, not guesses, since a token has 256 bits: an office shares one address
    Limit("invite-lookups", 120, MINUTE, Scope.ADDRESS),
    Limit("invite-accepts", 60, MINUTE, Scope.ADDRESS),
    Limit("invite-declines", 60, MINUTE, Scope.ADDRESS),
    # one-click requests of a mail provider come from few addresses: more than mails are sent
    Limit("unsubscribes", 1_000, MINUTE, Scope.ADDRESS),
    Limit("unsubscribe-pages", 300, MINUTE, Scope.ADDRESS),
    Limit("refreshes", 5, HOUR, Scope.USER),
    Limit("admin", 120, MINUTE, Scope.USER),
    # against guessing referral codes, in addition to their 45 random bits
    Limit("guesses-minute", 10, MINUTE, Scope.ADDRESS, OutagePolicy.FAIL_CLOSED),
    Limit("guesses-day", 100, DAY, Scope.ADDRESS, OutagePolicy.FAIL_CLOSED),
    Limit("guesses-person", 10, MINUTE, Scope.USER, OutagePolicy.FAIL_CLOSED),
    Limit("guesses-missed", 1_000, HOUR, Scope.GLOBAL, OutagePolicy.FAIL_CLOSED),
    Limit("misses-address", 30, HOUR, Scope.ADDRESS, OutagePolicy.FAIL_CLOSED),
    Limit("misses-person", 30, HOUR, Scope.USER, OutagePolicy.FAIL_CLOSED),
    # a reserved seat is unavailable to others for half an hour
    Limit("uses", 5, HOUR, Scope.ADDRESS, OutagePolicy.FAIL_CLOSED),
    # per code, for all anonymous callers together
    Limit("code-uses", 600, HOUR, Scope.GLOBAL),
    Limit("codes", 20, DAY, Scope.USER),
    Limit("documents", 300, MINUTE, Scope.ADDRESS),
    # counted by each process
    Limit("pages", 300, MINUTE, Scope.ADDRESS),
    # one visit loads about ten files; an office shares one address
    Limit("web", 3_000, MINUTE, Scope.ADDRESS),
    Limit("probes", 6_000, MINUTE, Scope.ADDRESS),
)


def default_limits() -> LimitTable:
    """Return a fresh table of the API's limits, without overrides."""
    return LimitTable.of(*_LIMITS)
