"""What routes work with, and what stands outside of the gateway: made once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis.bus.commands import Publisher
from chassis.views.read_models import ReadModels
from cognito_jwt import KeySet, Revocations, TokenCache
from gateway.api.reports import Reports
from gateway.edge.cors import Cors
from gateway.edge.health import Check
from gateway.http.change_feed import Changes
from gateway.http.commands import Operations
from gateway.http.sse import Lines
from gateway.settings import Settings
from readthrough import Table
from token_bucket import Limiter


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
