"""Report grants that no test has needed: `make test-policies` runs the tests, then this."""

import json
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

Grant = tuple[str, str, str]
"""(principal, action, resource); in the tables below, each is a pattern."""

JUSTIFIED: Final[Mapping[Grant, str]] = {
    (service, "dynamodb:ConditionCheckItem", f"*:table/<stack>-{service}-meta"): (
        "The store asks for it when a decision depends on a claim that no stream may hold. Every "
        "decider can ask so, and only that of referrals does."
    )
    for service in ("compute", "invites")
}
"""Unused grant -> why no test can need it."""
WIDE: Final[Mapping[Grant, str]] = {
    ("invites", "ses:GetAccount", "[*]"): "SES limits this action to no resource.",
    ("compute", "s3:GetObject", "arn:aws:s3:::<stack>-*-compute-segments/[*]"): "Its own objects.",
    ("compute", "s3:PutObject", "arn:aws:s3:::<stack>-*-compute-segments/[*]"): "Its own objects.",
}
"""Grant on more than one resource -> why it cannot be narrower."""
RESTORED: Final = "-*"
"""End of the names of tables that were restored from a backup (docs/restore.md): the same requests
go to them as to the tables that they replace, in a process with EVENTS_TABLE or META_TABLE."""


def use_of(lines: Iterable[str]) -> dict[Grant, bool]:
    """Return whether a recorded request has needed each grant."""
    use: dict[Grant, bool] = {}
    for line in lines:
        principal, action, resource, used = json.loads(line)
        grant = (principal, action, resource)
        use[grant] = use.get(grant, False) or used
    return use


def unjustified(use: Mapping[Grant, bool]) -> list[Grant]:
    """Return the unused grants without a reason.

    A grant on restored tables has one if the grant on the table itself is used or has one.
    """
    return sorted(
        grant
        for grant, used in use.items()
        if not used
        and not _matches(grant, JUSTIFIED)
        and not (_of_restored_table(grant) and _is_needed(_of_table(grant), use))
    )


def too_wide(use: Mapping[Grant, bool]) -> list[Grant]:
    """Return the grants that one request makes count as used, though they allow many others."""
    return sorted(
        grant
        for grant in use
        if "*" in grant[1]
        or ("*" in grant[2] and not _of_restored_table(grant) and not _matches(grant, WIDE))
    )


def _is_needed(grant: Grant, use: Mapping[Grant, bool]) -> bool:
    return grant in use and (use[grant] or _matches(grant, JUSTIFIED))


def _matches(grant: Grant, patterns: Iterable[Grant]) -> bool:
    return any(all(map(fnmatchcase, grant, pattern)) for pattern in patterns)


def _of_restored_table(grant: Grant) -> bool:
    return grant[1].startswith("dynamodb:") and "*" not in grant[2].removesuffix(RESTORED)


def _of_table(grant: Grant) -> Grant:
    return (grant[0], grant[1], grant[2].removesuffix(RESTORED))


def main() -> int:
    """Print the grants that are neither used nor justified, or too wide; return the exit code."""
    use = use_of(Path(sys.argv[1]).read_text().splitlines())
    wrong, wide = unjustified(use), too_wide(use)
    for grant in wrong:
        print("granted, but neither used nor justified:", *grant)  # noqa: T201
    for grant in wide:
        print("granted on more than is used:", *grant)  # noqa: T201
    used = sum(use.values())
    print(f"{len(use)} grants: {used} used, {len(use) - used - len(wrong)} justified")  # noqa: T201
    return 1 if wrong or wide else 0


if __name__ == "__main__":
    sys.exit(main())
