"""python -m referrals run | projections | rebuild | status | verify | events | what-if | …"""

import argparse
import sys
from pathlib import Path

from chassis.run.cli import Verb, main, moment
from chassis.run.service import Application
from contracts.referrals import ReferralCommand, ReferralEvent
from referrals.app import application
from referrals.domain import State
from referrals.settings import Settings
from referrals.what_if import InvalidRules, read_rules, report_lines, what_if

USAGE = 2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rules", type=Path, required=True, metavar="FILE", help="JSON")
    parser.add_argument(
        "--since", type=moment, default={}, metavar="WHEN", help="a time in ISO 8601; default: all"
    )


async def _what_if(
    assembled: Application[State, ReferralCommand, ReferralEvent], arguments: argparse.Namespace
) -> int:
    try:
        rules = read_rules(arguments.rules)
    except InvalidRules as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    if "version" in arguments.since:
        sys.stderr.write("--since takes a time in ISO 8601, such as 2026-11-01\n")
        return USAGE
    report = await what_if(assembled.store, rules, arguments.since.get("at_ms", 0))
    for line in report_lines(report):
        sys.stdout.write(f"{line}\n")
    return 0


WHAT_IF = Verb("what-if", "run other rules over history; nothing is written", _arguments, _what_if)

if __name__ == "__main__":
    main(Settings, application, [WHAT_IF])
