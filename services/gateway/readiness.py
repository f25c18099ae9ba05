"""Check whether the gateway can serve, and say what it lacks."""

from chassis.bus.outcomes import OutcomeListener
from chassis.bus.subscription import ChannelSubscription
from chassis.run.health import Check, CheckFailed, writable
from chassis.views.identity import ensure_no_eviction, maxmemory_policies
from gateway.clients import Clients
from gateway.dependencies import Dependencies


def checks(
    clients: Clients, dependencies: Dependencies, listener: OutcomeListener
) -> dict[str, Check]:
    """Return the checks of /readyz by name; each raises an error that gives its reason."""

    async def eviction_policy() -> bool:
        ensure_no_eviction(await maxmemory_policies(clients.redis))
        return True

    async def outcomes() -> bool:
        return _listening(listener.subscription)

    async def changes() -> bool:
        return _listening(dependencies.changes.subscription)

    async def keys() -> bool:
        return all(keys.loaded for keys in clients.keys)

    async def revocations() -> bool:
        return dependencies.revocations.loaded

    return {
        "redis": writable(clients.redis, "gateway"),
        "eviction policy": eviction_policy,
        "outcomes": outcomes,
        "changes": changes,
        "signing keys": keys,
        "revocations": revocations,
        "bus": clients.bus_ready,
    }


def _listening(subscription: ChannelSubscription) -> bool:
    if not subscription.listening:
        raise CheckFailed(subscription.last_error or "not subscribed yet")
    return True
