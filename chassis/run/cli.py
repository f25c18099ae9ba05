"""Provide the command line of every service: `python -m <service> <command>`."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import uvloop

from chassis.run.assembly import assemble
from chassis.run.dead_letters import DEAD_LETTERS
from chassis.run.gc_tuning import tune_gc
from chassis.run.log_commands import LOG_COMMANDS
from chassis.run.logging import configure
from chassis.run.read_model_commands import READ_MODEL_COMMANDS
from chassis.run.resources import open_resources
from chassis.run.serve import serve
from chassis.run.service import Application, OperatorCommand, Service
from chassis.run.settings import ServiceSettings, read_settings_or_exit
from chassis.run.terminal import report
from chassis.views.identity import EvictionPolicy


async def _run(application: Application[Any, Any, Any, Any], _arguments: argparse.Namespace) -> int:
    try:
        await serve(application)
    except EvictionPolicy as refusal:
        report(f"cannot start: {refusal}")
        return 1
    return 0


def _no_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


RUN = OperatorCommand("run", "handle messages until SIGTERM or SIGINT", _no_arguments, _run)


def main(service: Service[Any, Any, Any, Any]) -> None:
    """Run the command that the arguments name and exit with its code.

    Exit codes: 0 success, 1 the command did not succeed, 2 wrong arguments, 78 wrong settings.
    """
    commands = (RUN, *READ_MODEL_COMMANDS, *LOG_COMMANDS, DEAD_LETTERS, *service.operator_commands)
    arguments = _parser(service.name, commands).parse_args()
    command = next(each for each in commands if each.name == arguments.command)
    settings = read_settings_or_exit(service.settings, service.name)
    sys.exit(uvloop.run(_execute(service, settings, command, arguments)))


async def _execute(
    service: Service[Any, Any, Any, Any],
    settings: ServiceSettings,
    command: OperatorCommand,
    arguments: argparse.Namespace,
) -> int:
    async with open_resources(settings) as resources:
        application = assemble(service, settings, resources)
        configure(settings, service.name)
        tune_gc()
        return await command.run(application, arguments)


def _parser(name: str, commands: Sequence[OperatorCommand]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {name}")
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands:
        command.arguments(choices.add_parser(command.name, help=command.help))
    return parser
