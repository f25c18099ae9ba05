"""What routes work with, and what stands outside of the gateway: made once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis.commands import Publisher
from chassis.read_models import ReadModels
from chassis.readthrough import Table
from gateway.auth import KeySet, Revocations, TokenCache
from gateway.cors import Cors
from gateway.events import Lines
from gateway.health import Check
from gateway.limits import Limiter
from gateway.live import Changes
from gateway.notifications import Fetch, Notifications
from gateway.operations import Operations
from gateway.reports import Reports
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    tokens: TokenCache
    revocations: Revocations
    operations: Operations
    limiter: Limiter
    referrals: ReadModels
    invites: ReadModels
    compute: ReadModels
    reports: Reports
    notifications: Notifications
    changes: Changes
    lines: Lines
    cors: Cors


@dataclass(frozen=True, slots=True)
class Outside:
    """What the gateway talks to; opened by `clients`, and by tests in their own way."""

    publisher: Publisher
    redis: Any
    subscription: Any
    """A Redis client without a read timeout: announcements may be long in coming."""
    keys: Sequence[KeySet]
    """One for each of the settings' pools, in their order."""
    bus_ready: Check
    reports: Table
    """Reports of token clusters; the gateway reads this table and no event store."""
    fetch: Fetch
    """What lies at an address of Amazon's."""
