"""Add `preview` to the command line: write a sample of the invitation mail to a file."""

import argparse
import time
from pathlib import Path
from typing import Any, Final

from chassis.run.service import Application, OperatorCommand
from chassis.run.terminal import USAGE, output, report
from invites.mail import MailContent, compose
from invites.rules import RULES


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="NAME.eml, NAME.html or NAME.txt")
    parser.add_argument("--locale", default="en", help="default: en")
    parser.add_argument("--name", default="Alice", help="the inviter's name; default: Alice")
    parser.add_argument("--note", default="See you there!", help="the inviter's note")
    parser.add_argument("--reminder", action="store_true", help="write the reminder")


async def _preview(
    application: Application[Any, Any, Any, Any], arguments: argparse.Namespace
) -> int:
    message = compose(application.settings.mail_profile, _content(arguments))
    part = message.get_body((arguments.file.suffix.replace("txt", "plain").lstrip("."),))
    if arguments.file.suffix == ".eml":
        arguments.file.write_bytes(message.as_bytes())
    elif part is not None:
        arguments.file.write_text(part.get_content(), encoding="utf-8")
    else:
        report("the file must end in .eml, .html or .txt")
        return USAGE
    output(f"{arguments.file}: {message['Subject']}")
    return 0


def _content(arguments: argparse.Namespace) -> MailContent:
    now = int(time.time())
    return MailContent(
        to="bob@example.org",
        inviter=arguments.name,
        inviter_email="alice@example.com",
        note=arguments.note,
        code="MVA00W4CZS",
        locale=arguments.locale,
        token="t" * 43,
        unsubscribe_token="u" * 43,
        expires_at=now + RULES.expire_after,
        at=now,
        reminder=arguments.reminder,
    )


PREVIEW: Final = OperatorCommand(
    "preview", "write a sample of the invitation mail to a file", _arguments, _preview
)
