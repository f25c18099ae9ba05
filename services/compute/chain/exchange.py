"""Exchange a group of calls with one endpoint, in batches as large as it accepts."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from compute.chain.answers import Call, is_well_formed, normalized
from compute.chain.endpoint import Endpoint, EndpointFailure, TooHeavy
from compute.chain.rejections import LOGS, Meaning, RpcError, meaning_of, rejection_of

NO_ANSWER: Final = object()
"""Marks a call of a batch that the response leaves out."""

Answer = Any
"""A result, an `RpcError`, or the `EndpointFailure` of one call of a batch."""


@dataclass(slots=True)
class Exchange:
    """Send calls to endpoints and return one answer for each."""

    session: aiohttp.ClientSession = field(repr=False)
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    calls: int = 0
    """Calls made so far; each call of a batch counts."""
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def send(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Answer]:
        """Return the answer to each call, in order.

        A batch that is refused as a batch, breaks off or leaves calls out is sent again in parts.
        Once a request fails, the failure is the answer to the calls that are left.
        """
        answers: list[Answer] = []
        while len(answers) < len(calls):
            part = calls[len(answers) : len(answers) + endpoint.batch]
            try:
                if len(part) == 1:
                    answers.append(await self._single(endpoint, part[0]))
                else:
                    answers += await self._batch(endpoint, part)
            except EndpointFailure as failure:
                answers += [failure] * (len(calls) - len(answers))
        return answers

    async def _single(self, endpoint: Endpoint, call: Call) -> Answer:
        (request,) = self._requests([call])
        try:
            response = await self._post(endpoint, request, 1)
        except TooHeavy as failure:
            return failure
        if isinstance(response, list) and len(response) == 1:
            (response,) = response
        if not isinstance(response, dict):
            raise EndpointFailure("its response is not JSON-RPC")
        if response.get("id") not in (request["id"], str(request["id"]), None):
            raise EndpointFailure("its response belongs to another call")
        return _answer(call, response)

    async def _batch(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Answer]:
        try:
            answers = await self._answers(endpoint, calls)
        except TooHeavy:
            answers = [NO_ANSWER] * len(calls)
        except EndpointFailure as failure:
            if failure.limited:
                endpoint.batch = len(calls) // 2
            raise
        missing = _missing(calls, answers)
        if missing:
            answered = len(calls) - len(missing)
            endpoint.batch = max(1, answered or len(calls) // 2)
        else:
            endpoint.accepted(len(calls))
        again = await self.send(endpoint, [calls[n] for n in missing]) if missing else []
        for n, answer in zip(missing, again, strict=True):
            answers[n] = answer
        return answers

    async def _answers(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Answer]:
        requests = self._requests(calls)
        return _matched(calls, requests, await self._post(endpoint, requests, len(calls)))

    async def _post(self, endpoint: Endpoint, body: Any, calls: int) -> Any:
        await self.sleep(endpoint.reserve(calls, self.clock()))
        self.calls += calls
        return await endpoint.post(self.session, body)

    def _requests(self, calls: Sequence[Call]) -> list[dict[str, Any]]:
        return [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
            for method, params in calls
        ]


def _matched(
    calls: Sequence[Call], requests: Sequence[dict[str, Any]], response: Any
) -> list[Answer]:
    """Return the answer to each request by its id; `NO_ANSWER` where there is none, or several.

    Raises:
        EndpointFailure: the response is no JSON-RPC, or rejects the batch for its rate.
    """
    responses = response if isinstance(response, list) else [response]
    by_id: dict[str, Any] = {}
    for each in responses:
        if not isinstance(each, dict):
            raise EndpointFailure("its response is not JSON-RPC")
        key = str(each.get("id"))
        by_id[key] = NO_ANSWER if key in by_id and by_id[key] != each else each
    found = [by_id.get(str(request["id"]), NO_ANSWER) for request in requests]
    if all(each is NO_ANSWER for each in found):
        _require_rejection(responses)
    return [
        each if each is NO_ANSWER else _answer(call, each)
        for call, each in zip(calls, found, strict=True)
    ]


def _require_rejection(responses: Sequence[dict[str, Any]]) -> None:
    """Verify that a response without an answer to any call is an error about the batch's size."""
    for each in responses:
        rejection, pause = rejection_of(each.get("error"))
        if meaning_of(rejection, "") is Meaning.RATE:
            raise EndpointFailure("too many requests", pause, limited=True)


def _missing(calls: Sequence[Call], answers: Sequence[Answer]) -> list[int]:
    """Return the numbers of the calls that have to be sent again in a smaller batch.

    Some endpoints reject a batch by a list with one error, with the id of its first call.
    """
    incomplete = any(each is NO_ANSWER for each in answers)
    return [
        n
        for n, (call, each) in enumerate(zip(calls, answers, strict=True))
        if each is NO_ANSWER
        or (isinstance(each, RpcError) and (incomplete or _is_too_large(call, each)))
    ]


def _is_too_large(call: Call, rejection: RpcError) -> bool:
    return call[0] != LOGS and meaning_of(rejection, call[0]) is Meaning.SIZE


def _answer(call: Call, response: dict[str, Any]) -> Answer:
    """Return the result of one call, its rejection, or a failure."""
    if response.get("error") is not None:
        rejection, pause = rejection_of(response["error"])
        if meaning_of(rejection, call[0]) is Meaning.RATE:
            return EndpointFailure("too many requests", pause, limited=True)
        return rejection
    if "result" not in response:
        return EndpointFailure("its response has no result")
    result = normalized(call[0], response["result"])
    if not is_well_formed(call, result):
        return EndpointFailure(f"its response to {call[0]} is malformed")
    return result
