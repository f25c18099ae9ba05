"""Report grants that no test has needed: `make test-policies` runs the tests, then this."""

import json
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

JUSTIFIED: Final[Mapping[tuple[str, str, str], str]] = {
    ("*", "dynamodb:*", "*-events-*"): "after a restore, by docs/restore.md",
    ("*", "dynamodb:*", "*-meta-*"): "after a restore, by docs/restore.md",
    ("*", "dynamodb:GetItem", "*-events"): "indexed commands of long streams (decision 32)",
    ("*", "dynamodb:GetItem", "*-meta"): "snapshots of long streams (decision 32)",
    ("*", "dynamodb:PutItem", "*-meta"): "snapshots of long streams (decision 32)",
    ("*", "dynamodb:BatchWriteItem", "*-meta"): "indexed commands of long streams (decision 32)",
    ("*", "dynamodb:ConditionCheckItem", "*-meta"): "claims, which any decider may ask for",
    ("*", "sqs:ChangeMessageVisibility", "*"): "messages are returned by a process that stops",
    ("*", "sqs:GetQueueUrl", "*-dlq*"): "a message is rejected; shown for commands of referrals",
    ("*", "sqs:SendMessage", "*-dlq*"): "a message is rejected; shown for commands of referrals",
    ("*-operator", "sqs:*", "*"): "the same command as for dead letters of referrals' commands",
    (
        "referrals",
        "sqs:SendMessage",
        "*-referrals-commands.fifo",
    ): "SettleReferrals, when a confirmed use is due",
    (
        "invites",
        "sqs:SendMessage",
        "*-invites-commands.fifo",
    ): "TendInvite, when an invitation expires or a mail is to be repeated",
    ("compute", "s3:ListBucket", "*"): "a segment is missing, which S3 reports only with it",
    ("gateway", "dynamodb:PutItem", "*-reports"): "differences between two reports are stored",
}
"""(principal, action, resource), each a pattern -> when it is needed, though no test does so."""


def unused(lines: list[str]) -> set[tuple[str, str, str]]:
    """Return (principal, action, resource) of each grant that no recorded request has needed."""
    granted: dict[tuple[str, str, str], bool] = {}
    for line in lines:
        principal, action, resource, used = json.loads(line)
        grant = (principal, action, resource)
        granted[grant] = granted.get(grant, False) or used
    return {grant for grant, used in granted.items() if not used}


def reason(grant: tuple[str, str, str]) -> str | None:
    """Return why a grant is justified, or None if nothing is known."""
    for patterns, why in JUSTIFIED.items():
        if all(map(fnmatchcase, grant, patterns)):
            return why
    return None


def main() -> int:
    """Print the grants that are neither used nor justified; return the exit code."""
    found = unused(Path(sys.argv[1]).read_text().splitlines())
    without = sorted(grant for grant in found if reason(grant) is None)
    for grant in without:
        print("granted, but neither used nor justified:", *grant)  # noqa: T201
    print(f"{len(found) - len(without)} unused grants are justified")  # noqa: T201
    return 1 if without else 0


if __name__ == "__main__":
    sys.exit(main())
