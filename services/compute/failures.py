"""Turn errors that another attempt would repeat into failures of an analysis."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_exc
from typing import Final

import structlog

from compute.ports import AnalysisFailure

COMPUTATION_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Errors of a computation: it gives them for the same input each time."""

log = structlog.get_logger(__name__)


@contextmanager
def computing(stream: str) -> Iterator[None]:
    """Fail the analysis if the computation inside fails.

    Raises:
        AnalysisFailure: it failed; without this, its message would be redelivered for hours.
    """
    try:
        yield
    except COMPUTATION_ERRORS as error:
        trace = format_exc(limit=-5)  # without local variables, which are large here
        log.error("computation_failed", stream=stream, trace=trace)  # noqa: TRY400
        raise AnalysisFailure(
            "not_computable",
            "The transfers of this token could not be analysed. The error has been recorded; "
            "there is no report of this token until it is corrected.",
        ) from error
