"""Serve operations: the outcomes of requests that were answered with 202."""

from dataclasses import dataclass
from typing import Final, Literal

from contracts.messages import Position, Rejection, View
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands, Pending
from gateway.http.requests import id_in_path
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route


class Operation(View):
    """The outcome of a request that was answered with 202."""

    command_id: str
    command: str
    state: Literal["accepted", "rejected"]
    position: Position
    rejection: Rejection | None


@dataclass(frozen=True, slots=True)
class Operations:
    """Show callers the outcomes of their commands."""

    commands: Commands

    async def get(self, context: RequestContext) -> Response:
        """Return the outcome; 202 while there is none."""
        command_id = id_in_path(context, "command_id", "There is no such operation.")
        outcome = await self.commands.outcome(command_id, context.caller.subject)
        if isinstance(outcome, Pending):
            return pending_response(context, command_id)
        operation = Operation(
            command_id=outcome.command_id,
            command=outcome.command,
            state=outcome.state,
            position=outcome.position,
            rejection=outcome.rejection,
        )
        return json_response(operation, headers=PRIVATE)


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
