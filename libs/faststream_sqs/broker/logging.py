"""Format the log lines of the broker: queue, message id, text."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from faststream_sqs.faststream_internals import (
    DefaultLoggerStorage,
    get_broker_logger,
    make_logger_state,
)

if TYPE_CHECKING:
    from faststream_sqs.faststream_internals import ContextRepo, LoggerProto

_MESSAGE_ID_LENGTH = 10


class SQSParamsStorage(DefaultLoggerStorage):
    """Store the longest queue name, so that the columns of the log line up."""

    def __init__(self) -> None:
        super().__init__()
        self._queue_length = 4
        self.logger_log_level = logging.INFO

    def set_level(self, level: int) -> None:
        self.logger_log_level = level

    def register_subscriber(self, params: dict[str, Any]) -> None:
        self._queue_length = max(self._queue_length, len(params.get("queue", "")))

    def get_logger(self, *, context: "ContextRepo") -> "LoggerProto":
        if known := self._get_logger_ref():
            return known
        logger = get_broker_logger(
            name="sqs",
            default_context={"queue": ""},
            message_id_ln=_MESSAGE_ID_LENGTH,
            fmt=(
                "%(asctime)s %(levelname)-8s - "
                f"%(queue)-{self._queue_length}s | "
                f"%(message_id)-{_MESSAGE_ID_LENGTH}s - %(message)s"
            ),
            context=context,
            log_level=self.logger_log_level,
        )
        self._logger_ref.add(logger)
        return logger


make_sqs_logger_state = partial(make_logger_state, default_storage_cls=SQSParamsStorage)
