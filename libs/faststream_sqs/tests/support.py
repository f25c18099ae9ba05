"""What the tests of the transport share."""

import asyncio
import logging
from typing import Any

from faststream_sqs import SQSBroker
from faststream_sqs.message import SQSMessage
from faststream_sqs.tests.scripted import InProcessSession, SQSModel


def broker_of(model: SQSModel, **options: Any) -> SQSBroker:
    """A silent broker on the model, without a socket."""
    options.setdefault("logger", None)
    return SQSBroker(session=InProcessSession(model), **options)


def now() -> float:
    return asyncio.get_running_loop().time()


def current(broker: SQSBroker) -> SQSMessage:
    """The message in work, without an annotation."""
    message: SQSMessage = broker.context.get_local("message")
    return message


class Lines(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append((record.levelno, record.getMessage()))


def listening() -> tuple[logging.Logger, Lines]:
    logger, lines = logging.Logger("sqs-test"), Lines()  # noqa: LOG001 - one per test, unregistered
    logger.addHandler(lines)
    return logger, lines
