"""python -m invites run | projections | rebuild | status | verify | events | preview | …"""

import argparse
import sys
import time
from pathlib import Path

from chassis.run.cli import Verb, main
from chassis.run.service import Application
from contracts.invites import InviteCommand, InviteEvent
from invites.app import application
from invites.domain import StreamState
from invites.mail import MailContent, compose
from invites.rules import RULES
from invites.settings import Settings

USAGE = 2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="NAME.eml, NAME.html or NAME.txt")
    parser.add_argument("--locale", default="en")
    parser.add_argument("--name", default="Alice", help="how the mail calls the inviter")
    parser.add_argument("--note", default="See you there!")
    parser.add_argument("--reminder", action="store_true")


async def _preview(
    assembled: Application[StreamState, InviteCommand, InviteEvent], arguments: argparse.Namespace
) -> int:
    settings = assembled.settings
    if not isinstance(settings, Settings):
        raise TypeError("these are not the settings of this service")
    now = int(time.time())
    content = MailContent(
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
    message = compose(settings.mail_profile, content)
    part = message.get_body((arguments.file.suffix.replace("txt", "plain").lstrip("."),))
    if arguments.file.suffix == ".eml":
        arguments.file.write_bytes(message.as_bytes())
    elif part is not None:
        arguments.file.write_text(part.get_content(), encoding="utf-8")
    else:
        sys.stderr.write("the file must end in .eml, .html or .txt\n")
        return USAGE
    sys.stdout.write(f"{arguments.file}: {message['Subject']}\n")
    return 0


PREVIEW = Verb("preview", "write a sample of the mail to a file", _arguments, _preview)

if __name__ == "__main__":
    main(Settings, application, [PREVIEW])
