"""Represent finished responses, and send them by the fastest way aiohttp allows."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from pydantic import BaseModel

from gateway.http.problems import PROBLEM_TYPE, Problem

JSON_TYPE: Final = "application/json"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
PRIVATE: Final[Mapping[str, str]] = MappingProxyType({"Cache-Control": "private, no-cache"})
"""Headers of a response that only its caller may cache, and must revalidate."""
X_POSITION: Final = "X-Position"
"""Header with the position that a write has reached, or that a read reflects."""
WITHOUT_BODY: Final = frozenset({204, 304})


class Response(NamedTuple):
    """Represent a finished response, which can be stored and sent again."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = NO_HEADERS
    content_type: str = JSON_TYPE
    is_final: bool = True
    """False for a response that says that there is no result yet; it is not stored under a key."""

    def with_headers(self, headers: Mapping[str, str]) -> "Response":
        """Return a copy with these headers added or replaced."""
        return self._replace(headers={**self.headers, **headers})

    def to_aiohttp(self) -> web.StreamResponse:
        """Return the response object that aiohttp sends."""
        if self.status in WITHOUT_BODY:
            return web.Response(status=self.status, headers=self.headers)
        response = FastResponse(self.status, self.body, self.headers)
        response.headers[hdrs.CONTENT_TYPE] = self.content_type
        return response


def json_response(
    model: BaseModel, status: int = 200, headers: Mapping[str, str] = NO_HEADERS
) -> Response:
    """Return a response whose body is `model` as JSON."""
    return Response(status, model.model_dump_json().encode(), headers)


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return a problem as a response that can be stored."""
    return Response(problem.status, problem.body(request_id), problem.headers, PROBLEM_TYPE)


def accepted_response(
    request_id: str, detail: str, *, location: str, code: str = "accepted", **members: Any
) -> Response:
    """Return 202 Accepted: the work has started, and `location` shows its result.

    Further `members` become members of the JSON body.
    """
    body = {"status_code": 202, "detail": detail, "code": code, "request_id": request_id, **members}
    return Response(202, orjson.dumps(body), {"Location": location, "Retry-After": "1"})


class FastResponse(web.StreamResponse):
    """Send a complete body without streaming, compression, cookies or signals.

    aiohttp checks for each of these on every response, which is a tenth of the time of a read.
    For responses that have a body: not for 204 and 304. To HEAD only the headers are sent.
    """

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status=status, headers=headers)
        self._bytes = body
        self._keeps: bool | None = None
        self._to: AbstractStreamWriter | None = None

    @property
    def prepared(self) -> bool:
        return self._to is not None

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps

    def force_close(self) -> None:
        self._keeps = False

    @property
    def body_length(self) -> int:
        return len(self._bytes)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self._to is not None:
            return self._to
        self._to = writer = request.writer
        headers, version = self.headers, request.version
        headers[hdrs.CONTENT_LENGTH] = str(len(self._bytes))
        if request.method == hdrs.METH_HEAD:
            self._bytes = b""
        headers[hdrs.DATE] = _http_date(int(time.time()))
        if self._keeps is None:
            self._keeps = request.keep_alive
        if not self._keeps:
            if version == HttpVersion11:
                headers[hdrs.CONNECTION] = "close"
        elif version == HttpVersion10:
            headers[hdrs.CONNECTION] = "keep-alive"
        line = f"HTTP/{version[0]}.{version[1]} {self.status} {self.reason}"
        await writer.write_headers(line, headers)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        assert self._to is not None, "not prepared"  # noqa: S101  as in aiohttp's own class
        assert not data, "the body is complete"  # noqa: S101
        await self._to.write_eof(self._bytes)


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
