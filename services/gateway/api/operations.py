"""Serve operations: the outcomes of requests that were answered with 202."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from cognito_jwt import Caller
from contracts.messages import CommandOutcome, Position, Rejection, View
from contracts.streams import MEMBERS
from gateway.http.command_responses import pending_response
from gateway.http.problems import not_found
from gateway.http.requests import id_in_path
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route
from gateway.http.sent_commands import Pending, SentCommands, Unknown

_NO_OPERATION: Final = "There is no such operation."
_COMMAND_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Operation(View):
    """The outcome of a request that was answered with 202."""

    command_id: str
    command: str | None
    """What was requested; null if the state is `unknown`."""
    state: Literal["accepted", "rejected", "unknown"]
    """`unknown` after an hour without an outcome: do not wait any longer."""
    position: Position | None
    """Null if nothing happened, and for changes of another person's account."""
    rejection: Rejection | None


@dataclass(frozen=True, slots=True)
class Operations:
    """Show callers the outcomes of their commands."""

    sent: SentCommands

    async def get(self, context: RequestContext) -> Response:
        """Return the outcome; 202 while there is none, and `unknown` after an hour."""
        command_id = _command_id(context)
        outcome = await self.sent.outcome(command_id, context.caller.subject)
        match outcome:
            case Pending():
                return pending_response(context, command_id)
            case Unknown():
                operation = _unknown(command_id)
            case CommandOutcome():
                operation = _operation(outcome, context.caller)
        return json_response(operation, headers=PRIVATE)


def _command_id(context: RequestContext) -> str:
    """Return the id in the path; what cannot be an id was not lost either, but never existed.

    Raises:
        Problem: 404.
    """
    command_id = id_in_path(context, "command_id", _NO_OPERATION)
    if _COMMAND_ID.fullmatch(command_id) is None:
        raise not_found(_NO_OPERATION)
    return command_id


def _operation(outcome: CommandOutcome, caller: Caller) -> Operation:
    return Operation(
        command_id=outcome.command_id,
        command=outcome.command,
        state=outcome.state,
        position=outcome.position if _may_see(caller, outcome.position) else None,
        rejection=outcome.rejection,
    )


def _may_see(caller: Caller, position: Position | None) -> bool:
    """Return whether a position names no other person's account, or the caller manages accounts."""
    if position is None or caller.is_service or caller.is_admin:
        return True
    return position.stream not in MEMBERS or MEMBERS.key(position.stream) == caller.subject


def _unknown(command_id: str) -> Operation:
    return Operation(
        command_id=command_id, command=None, state="unknown", position=None, rejection=None
    )


ROUTES: Final = (
    Route(
        "GET",
        "/v1/operations/{command_id}",
        "get_operation",
        Auth.CALLER,
        Operations.get,
        summary="The outcome of a request that was answered with 202",
        limits=("reads",),
        pending=True,
        response=Operation,
        problems=(404,),
    ),
)
