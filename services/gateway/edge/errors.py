"""Choose the error response for an exception."""

from typing import Final

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from chassis.resilience.log_throttle import LogThrottle
from chassis.resilience.outage import is_outage
from chassis.views.read_models import ReadModelsLost
from cognito_jwt import InvalidToken, KeysUnavailable
from gateway.http.problems import (
    Problem,
    from_aiohttp,
    invalid_token,
    rebuilding,
    unavailable,
    uncaught,
)
from token_bucket import RateLimiterUnavailable

_STORE_FAILURES: Final = LogThrottle()

log = structlog.get_logger(__name__)


def problem_for(error: Exception) -> Problem:
    """Return the problem for an exception; 500 only for one that is not expected."""
    match error:
        case Problem():
            return error
        case web.HTTPException():
            return from_aiohttp(error)
        case InvalidToken():
            return invalid_token(_sentence(str(error)))
        case _:
            return _unavailable(error) or _unexpected(error)


def _unavailable(error: Exception) -> Problem | None:
    match error:
        case KeysUnavailable():
            detail = "Your token cannot be checked right now. Try again shortly."
            return unavailable("keys_unavailable", detail)
        case RateLimiterUnavailable():
            detail = "Rate limits are temporarily unavailable. Try again shortly."
            return unavailable("limits_unavailable", detail)
        case ReadModelsLost():
            return rebuilding()
        case _ if isinstance(error, RedisError) or is_outage(error):
            if times := _STORE_FAILURES.count_if_due():
                because = f"{type(error).__name__}: {error}"
                log.warning("store_failed", because=because, times=times)
            detail = "This data cannot be loaded right now. Try again shortly."
            return unavailable("store_unavailable", detail)
        case _:
            return None


def _unexpected(error: Exception) -> Problem:
    log.error("request_failed", exc_info=error)
    return uncaught()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
