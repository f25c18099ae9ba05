"""Decide when an answer that is no plain result is believed.

An answer about the call itself (a revert, a method that does not exist) is believed when every
endpoint gives one like it; an answer that may pass (a missing block, an internal error) in addition
only after it was given several times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, cast

from compute.chain.answers import Call
from compute.chain.endpoint import EndpointFailure, TooHeavy
from compute.chain.exchange import Answer
from compute.chain.rejections import LOGS, TOO_LARGE, Meaning, RpcError, meaning_of

ENOUGH: Final = 3
"""Answers after which one that may pass is believed."""
TWICE: Final = 2
"""Answers after which a rejection is believed; logs are asked for again in smaller ranges."""
SOURCES: Final = 2
"""Endpoints whose equal results are believed although they are in doubt."""
_HEAVY: Final = frozenset({"eth_call", "eth_getBlockByNumber", "eth_getBlockReceipts"})


class Doubt(Enum):
    """Say how far an answer is believed."""

    NONE = "it is a result"
    RESULT = "it is a result, but one that broken endpoints give as well"
    FIRM = "it is a rejection that the endpoint will repeat"
    PASSING = "it is a rejection, or null, that may be different the next time"
    FAILED = "it is no answer at all"


def doubt_about(call: Call, answer: Answer, doubted: Callable[[Call, Any], bool]) -> Doubt:
    """Return how far the answer to a call is believed."""
    method, _ = call
    if isinstance(answer, EndpointFailure):
        return _doubt_about_failure(method, answer)
    if isinstance(answer, RpcError):
        return _doubt_about_rejection(method, answer)
    if answer is None:
        return Doubt.PASSING
    return (
        Doubt.RESULT
        if (method == "eth_call" and answer == "0x") or doubted(call, answer)
        else Doubt.NONE
    )


def _doubt_about_failure(method: str, failure: EndpointFailure) -> Doubt:
    if not isinstance(failure, TooHeavy):
        return Doubt.FAILED
    if method == LOGS:
        return Doubt.FIRM
    return Doubt.PASSING if method in _HEAVY else Doubt.FAILED


def _doubt_about_rejection(method: str, rejection: RpcError) -> Doubt:
    match meaning_of(rejection, method):
        case Meaning.REVERT:
            return Doubt.RESULT
        case Meaning.SIZE | Meaning.UNSUPPORTED:
            return Doubt.FIRM
        case Meaning.BEHIND | Meaning.RATE:
            return Doubt.FIRM if method == LOGS else Doubt.PASSING


@dataclass(frozen=True, slots=True)
class _Heard:
    endpoint: str
    doubt: Doubt
    answer: Answer


@dataclass(slots=True)
class Group:
    """Hold a group of calls and what the endpoints have answered so far."""

    calls: Sequence[Call]
    doubted: Callable[[Call, Any], bool]
    together: bool = False
    """True if all answers must come from one endpoint."""
    _heard: list[list[_Heard]] = field(init=False)
    _settled: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._heard = [[] for _ in self.calls]

    @property
    def pending(self) -> list[int]:
        """Numbers of the calls that have to be sent."""
        return [n for n in range(len(self.calls)) if self.together or n not in self._settled]

    def asked(self, endpoint: str) -> int:
        """Return how often an endpoint has answered a call that is pending."""
        counts = [sum(h.endpoint == endpoint for h in self._heard[n]) for n in self.pending]
        return max(counts, default=0)

    def failure_among(self, answers: Sequence[Answer]) -> EndpointFailure | None:
        """Return the failure that makes the answers to calls that belong together useless."""
        if self.together:
            for call, answer in zip(self.calls, answers, strict=True):
                if doubt_about(call, answer, self.doubted) is Doubt.FAILED:
                    return cast("EndpointFailure", answer)
        return None

    def add(self, endpoint: str, answers: Sequence[Answer]) -> EndpointFailure | None:
        """Add an endpoint's answers to the pending calls; return the first that is a failure."""
        for n, answer in zip(self.pending, answers, strict=True):
            doubt = doubt_about(self.calls[n], answer, self.doubted)
            if doubt is not Doubt.FAILED:
                self._heard[n].append(_Heard(endpoint, doubt, _as_rejection(answer)))
        return next((each for each in answers if isinstance(each, EndpointFailure)), None)

    def corrected(self) -> list[tuple[str, Call]]:
        """Return the calls that one endpoint answered and another did not, with the latter.

        Calls that belong together count as one.
        """
        corrected = [
            (each.endpoint, call)
            for call, heard in zip(self.calls, self._heard, strict=True)
            if any(each.doubt is Doubt.NONE for each in heard)
            for each in heard
            if each.doubt is not Doubt.NONE
        ]
        if self.together:
            return [(name, call) for name, _ in corrected for call in self.calls]
        return corrected

    def settle(self, awaited: frozenset[str]) -> bool:
        """Return True if every call has an answer; `awaited` may still answer."""
        settled = {n for n in range(len(self.calls)) if self._is_settled(n, awaited)}
        self._settled = settled if self.together else self._settled | settled
        return len(self._settled) == len(self.calls)

    def _is_settled(self, n: int, awaited: frozenset[str]) -> bool:
        heard = self._heard[n][-1:] if self.together else self._heard[n]
        if any(each.doubt is Doubt.NONE for each in heard):
            return True
        heard = [each for each in self._heard[n] if each.doubt is not Doubt.NONE]
        sources = {each.endpoint for each in heard}
        results = [each for each in heard if each.doubt is Doubt.RESULT]
        everyone = bool(heard) and awaited <= sources
        if len(results) >= SOURCES and (everyone or len({r.endpoint for r in results}) >= SOURCES):
            return True
        firm = all(each.doubt is Doubt.FIRM for each in heard)
        enough = (1 if self.calls[n][0] == LOGS else TWICE) if firm else ENOUGH
        return everyone and len(heard) >= enough

    def results(self) -> list[Any]:
        """Return the best answer to each call; of calls that belong together, the last one."""
        if self.together:
            return [heard[-1].answer for heard in self._heard]
        return [_best(heard) for heard in self._heard]


def _as_rejection(answer: Answer) -> Answer:
    return RpcError(TOO_LARGE, str(answer)) if isinstance(answer, TooHeavy) else answer


def _best(heard: Sequence[_Heard]) -> Answer:
    for doubt in (Doubt.NONE, Doubt.RESULT):
        for each in heard:
            if each.doubt is doubt:
                return each.answer
    return heard[-1].answer
