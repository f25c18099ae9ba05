"""Describe what is charged to buckets, and the decision about a charge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from token_bucket.limits import Limit, Scope

_FIELDS: Final = 4
"""Numbers for each bucket in the reply of take.lua."""


class Charge(NamedTuple):
    """Describe a charge of `cost` tokens to one bucket. Cost 0 only reads the bucket."""

    limit: Limit
    owner: str
    """Identifies the bucket within the limit, for example a user id."""
    cost: int = 1


class BucketState(NamedTuple):
    """Describe one bucket after a decision."""

    limit: Limit
    fits: bool
    """Whether the charge fits into the bucket."""
    remaining: int
    """Tokens left."""
    full_in: float
    """Seconds until the bucket is full."""
    wait: float
    """Seconds until the charge fits; 0 if it does."""


class Group(NamedTuple):
    """Describe a group of owners that share a larger limit, such as the addresses of a network."""

    name: str
    """Added to the name of a limit: the limit `reads` of the group `48` is called `reads-48`."""
    factor: int
    """The limit of the group, as a multiple of one owner's."""


class ChargePlan(NamedTuple):
    """Hold limits that are always charged together, with everything that can be prepared."""

    limits: tuple[Limit, ...]
    """Limits of the owner, then as many of each group around the owner, the smallest first."""
    costs: tuple[int, ...]
    own: int
    """Number of limits of the owner, which headers report; those of groups follow them."""
    policy_header: str
    """Value of the header `RateLimit-Policy`."""
    key_suffixes: tuple[str, ...]
    arguments: tuple[str, ...]
    """The arguments of take.lua."""
    header_prefix: str | None
    """Start of the header `RateLimit` if it has exactly one limit, and that is enforced."""
    enforced: bool
    """No limit is in shadow mode, so an admitted charge fits into every bucket."""

    def keys(self, owner: str, groups: Sequence[str]) -> list[str]:
        """Return the Redis key of each bucket; they share the hash tag of the largest group."""
        if not groups:
            tag = "limit:{" + owner
            return [tag + suffix for suffix in self.key_suffixes]
        tag, owners = "limit:{" + groups[-1], (owner, *groups)
        return [
            f"{tag}{suffix}:{owners[number // self.own]}"
            for number, suffix in enumerate(self.key_suffixes)
        ]


class ScopedPlans(NamedTuple):
    """Hold the plans of a list of limits by scope; None if no limit has that scope."""

    address: ChargePlan | None
    address_in_groups: ChargePlan | None
    """The plan of `address`, which also charges the groups around an address."""
    user: ChargePlan | None


@dataclass(slots=True)
class Decision:
    """Report whether charges were admitted, and the state of each bucket.

    The properties are computed on access: most callers read one of them only.
    """

    plan: ChargePlan
    reply: Sequence[int]
    """As take.lua returns it."""

    @property
    def admitted(self) -> bool:
        """Whether all charges were debited; otherwise none was."""
        return self.reply[0] == 1

    @property
    def buckets(self) -> list[BucketState]:
        """The state of each bucket, in the order of the charges."""
        rows = zip(*[iter(self.reply[1:])] * _FIELDS, strict=True)
        return [
            BucketState(limit, fits == 1, remaining, full / 1000, wait / 1000)
            for limit, (fits, remaining, full, wait) in zip(self.plan.limits, rows, strict=True)
        ]

    @property
    def exceeded(self) -> list[BucketState]:
        """The buckets that rejected the charge; limits in shadow mode are left out."""
        return [bucket for bucket in self.buckets if not bucket.fits and not bucket.limit.shadow]

    @property
    def retry_after(self) -> int:
        """Full seconds until the charges fit, at least 1: the header `Retry-After`."""
        return max(1, math.ceil(max((bucket.wait for bucket in self.exceeded), default=1)))

    @property
    def rate_limit_header(self) -> str:
        """Value of the header `RateLimit`: what remains, and the seconds until it is restored."""
        if self.plan.header_prefix is not None:  # computed for nearly every request
            remaining, full_in = max(0, self.reply[2]), self.reply[3] // 1000 + 1
            return f"{self.plan.header_prefix}{remaining};t={full_in}"
        return ", ".join(
            f'"{bucket.limit.name}";r={max(0, bucket.remaining)};t={int(bucket.full_in) + 1}'
            for bucket in self.buckets[: self.plan.own]
            if not bucket.limit.shadow
        )


def plan_charges(
    limits: Sequence[Limit], costs: Sequence[int], own: int | None = None
) -> ChargePlan:
    """Return the plan that charges each limit its cost; the first `own` are the owner's."""
    own = len(limits) if own is None else own
    arguments = [
        str(part)
        for limit, cost in zip(limits, costs, strict=True)
        for part in (
            limit.quantity,
            limit.window * 1_000_000,
            cost,
            0 if limit.shadow else 1,
            limit.digits,
        )
    ]
    enforced = not any(limit.shadow for limit in limits)
    reported = [limit for limit in limits[:own] if not limit.shadow]
    return ChargePlan(
        limits=tuple(limits),
        costs=tuple(costs),
        own=own,
        policy_header=", ".join(limit.policy_header for limit in reported),
        key_suffixes=tuple("}:" + limit.name for limit in limits),
        arguments=tuple(arguments),
        header_prefix=f'"{limits[0].name}";r=' if own == 1 and enforced else None,
        enforced=enforced,
    )


def plan_by_scope(limits: Sequence[Limit], cost: int, groups: Sequence[Group] = ()) -> ScopedPlans:
    """Return the plans of the limits that belong to an address and to a user."""
    return ScopedPlans(
        _plan_of_scope(limits, Scope.ADDRESS, cost),
        _plan_of_scope(limits, Scope.ADDRESS, cost, groups),
        _plan_of_scope(limits, Scope.USER, cost),
    )


def _plan_of_scope(
    limits: Sequence[Limit], scope: Scope, cost: int, groups: Sequence[Group] = ()
) -> ChargePlan | None:
    """Plan a cost above a bucket's size as the full bucket: otherwise it could never be paid."""
    own = [limit for limit in limits if limit.scope is scope]
    if not own:
        return None
    chosen = [*own, *(_of_group(limit, group) for group in groups for limit in own)]
    return plan_charges(chosen, [min(cost, limit.quantity) for limit in chosen], len(own))


def _of_group(limit: Limit, group: Group) -> Limit:
    """Return the limit that all owners of a group share."""
    name = f"{limit.name}-{group.name}"
    return replace(limit, name=name, quantity=limit.quantity * group.factor)
