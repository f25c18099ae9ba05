"""List the services that own an event log, and their subscriptions.

Publishers derive from it who receives an event.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from contracts import compute, invites, referrals
from contracts.messages import Event
from contracts.subscription import Subscription

SERVICES: Final = (referrals.SERVICE, invites.SERVICE, compute.SERVICE)
"""The services that decide on commands."""
SUBSCRIPTIONS: Final[tuple[Subscription, ...]] = (
    referrals.SUBSCRIPTION,
    invites.SUBSCRIPTION,
    compute.SUBSCRIPTION,
)


@cache
def subscribers() -> Mapping[type[Event], tuple[str, ...]]:
    """Return the names of the services that subscribe to each event class."""
    found: dict[type[Event], tuple[str, ...]] = {}
    for subscription in SUBSCRIPTIONS:
        for event in subscription.event_types:
            found[event] = (*found.get(event, ()), subscription.service)
    return found
