"""Add `what-if` to the command line: apply other rules to history, without writing anything."""

import argparse
from pathlib import Path
from typing import Any, Final

from chassis.run.service import Application, OperatorCommand
from chassis.run.terminal import USAGE, output, parse_time, report
from referrals.what_if import InvalidRules, read_rules, report_lines, what_if


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules", type=Path, required=True, metavar="FILE", help="the other rules, as JSON"
    )
    parser.add_argument(
        "--since",
        type=parse_time,
        default=0,
        metavar="TIME",
        help="a time in ISO 8601; default: the beginning of the log",
    )


async def _what_if(
    application: Application[Any, Any, Any, Any], arguments: argparse.Namespace
) -> int:
    try:
        rules = read_rules(arguments.rules)
    except InvalidRules as error:
        report(str(error))
        return USAGE
    for line in report_lines(await what_if(application.store, rules, arguments.since)):
        output(line)
    return 0


WHAT_IF: Final = OperatorCommand(
    "what-if", "apply other rules to history; nothing is written", _arguments, _what_if
)
