"""Respond to requests that execute commands: pending, rejected, or under a key that is taken."""

from dataclasses import dataclass
from typing import Final

from contracts.messages import CommandOutcome, RejectionKind
from gateway.http.problems import Problem, unavailable
from gateway.http.responses import Response, accepted_response
from gateway.http.routing import RequestContext

STATUS: Final[dict[RejectionKind, int]] = {
    "invalid": 422,
    "forbidden": 409,  # 403 is for tokens only: clients respond with the log-in screen
    "not_found": 404,
    "conflict": 409,
    "gone": 410,
    "not_implemented": 501,
}


class CommandRejected(Problem):
    """The service rejected the command."""


@dataclass(slots=True)
class RespondNow(Exception):
    """End a request with this response; the handler has nothing to add."""

    response: Response


def pending_response(context: RequestContext, command_id: str) -> Response:
    """Return 202 for a command whose outcome is not visible yet."""
    if context.known_caller is None:  # anonymous callers cannot read operations
        return repeat_later(context)
    response = accepted_response(
        context.request_id,
        "Your request was accepted and is being processed.",
        location=f"/v1/operations/{command_id}",
    )
    return response._replace(is_final=False)


def repeat_later(context: RequestContext) -> Response:
    """Return 202 for a request that shows its result when it is repeated."""
    response = accepted_response(
        context.request_id,
        "Your request was accepted and is being processed. Repeat it to see the result.",
        location=context.request.path,
    )
    return response._replace(is_final=False)


def hide_position(context: RequestContext) -> None:
    """Leave out `X-Position`: it names another person's account, and counts its events."""
    caller = context.known_caller
    if context.execution is not None and not (caller is not None and caller.is_service):
        context.execution.hide_position()


def raise_if_rejected(outcome: CommandOutcome) -> None:
    """Raise `CommandRejected` if the outcome is a rejection."""
    if (rejection := outcome.rejection) is not None:
        raise CommandRejected(STATUS[rejection.kind], rejection.code, rejection.detail)


def outcome_unknown(*, is_keyed: bool) -> Problem:
    """Return 503 for a command that was sent and whose outcome the caller could not find."""
    received = "Your request was received, but its result cannot be shown right now."
    advice = "Look whether it took effect before you send it again."
    if is_keyed:
        advice = "Send it again with the same Idempotency-Key to see the result."
    return unavailable("outcome_unknown", f"{received} {advice}")


def outcome_lost() -> Problem:
    """Return 503 for an operation that Redis may have lost."""
    detail = (
        "The result of this request is not available any more. Send the request again with the "
        "same Idempotency-Key: it is not executed twice, and you get its result."
    )
    return unavailable("outcome_lost", detail)


def key_in_use() -> Problem:
    """Return 409: another request with this key is being processed."""
    detail = "A request with this Idempotency-Key is being processed. Try again shortly."
    return Problem(409, "idempotency_key_in_use", detail, {"Retry-After": "1"})


def key_reused() -> Problem:
    """Return 422: the key belongs to another request."""
    detail = "This Idempotency-Key was used for a different request. Use a new one."
    return Problem(422, "idempotency_key_reused", detail)
