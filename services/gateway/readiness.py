"""Check whether the gateway can serve, and say what it lacks."""

import os
from typing import Final

from chassis.bus.outcomes import OutcomeListener
from chassis.bus.subscription import ChannelSubscription
from chassis.run.health import Check
from gateway.background import BackgroundTasks
from gateway.clients import Clients
from gateway.dependencies import Dependencies

PROBE_KEY: Final = "gateway:readyz"
PROBE_SECONDS: Final = 60
"""Seconds after which Redis forgets the value that a check has written."""


class NotReady(Exception):
    """A check has failed; the text gives the reason."""


def checks(
    clients: Clients,
    dependencies: Dependencies,
    listener: OutcomeListener,
    background: BackgroundTasks,
) -> dict[str, Check]:
    """Return the checks of /readyz by name; each raises an error that gives its reason."""

    async def redis() -> bool:
        # a Redis that is full, read-only or a replica answers PING and refuses this
        return bool(await clients.redis.set(PROBE_KEY, str(os.getpid()), ex=PROBE_SECONDS))

    async def outcomes() -> bool:
        return _listening(listener.subscription)

    async def changes() -> bool:
        return _listening(dependencies.changes.subscription)

    async def keys() -> bool:
        return all(keys.loaded for keys in clients.keys)

    async def revocations() -> bool:
        return dependencies.revocations.loaded

    async def tasks() -> bool:
        if failing := background.failing:
            raise NotReady("; ".join(f"{name}: {reason}" for name, reason in failing.items()))
        return True

    return {
        "redis": redis,
        "outcomes": outcomes,
        "changes": changes,
        "signing keys": keys,
        "revocations": revocations,
        "bus": clients.bus_ready,
        "background tasks": tasks,
    }


def _listening(subscription: ChannelSubscription) -> bool:
    if not subscription.listening:
        raise NotReady(subscription.last_error or "not subscribed yet")
    return True
