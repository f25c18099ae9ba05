"""Forward requests to the local AWS; lose replies, refuse operations, or stop answering."""

import asyncio
import contextlib
import json
import socket
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, TCPConnector, web

from deploy.local.settings import HOST

DYNAMODB, SQS = "DynamoDB_20120810", "AmazonSQS"
_PER_CONNECTION = {"Connection", "Content-Length", "Date", "Server", "Transfer-Encoding"}
"""Headers that a proxy writes itself."""
JSON_TYPES = {DYNAMODB: "application/x-amz-json-1.0", SQS: "application/x-amz-json-1.0"}


@dataclass(frozen=True)
class Call:
    """Describe a request: the service of AWS, the operation, and its parameters."""

    service: str
    operation: str
    body: bytes

    @classmethod
    def of(cls, request: web.Request, body: bytes) -> "Call":
        service, _, operation = request.headers.get("X-Amz-Target", "").rpartition(".")
        return cls(service, operation, body)


@dataclass(frozen=True)
class Refusal:
    """Answer some operations with an error, as AWS does."""

    service: str
    reply: Callable[[Call], web.Response | None]
    """Returns None to forward the call."""
    operations: Collection[str] = ()
    """Operations that are refused; empty: every operation of the service."""

    def response(self, call: Call) -> web.Response | None:
        if call.service != self.service:
            return None
        if self.operations and call.operation not in self.operations:
            return None
        return self.reply(call)


@dataclass
class AwsProxy:
    """Stand between the services and the local AWS."""

    upstream: str
    lossy: set[str] = field(default_factory=set)
    losses: int = 0
    lost: int = 0
    """Replies that were lost since the last call of `lose`."""
    refusals: list[Refusal] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Operation -> number of calls that were refused."""
    url: str = ""
    _runner: web.AppRunner | None = None
    _port: int = 0
    _silent: asyncio.Event | None = None
    _session: ClientSession | None = None
    _closed_port: socket.socket | None = None
    _fillers: list[socket.socket] = field(default_factory=list)

    def lose(self, losses: int, *operations: str) -> None:
        """Lose the replies to the next `losses` requests for these operations."""
        self.lossy, self.losses, self.lost = set(operations), losses, 0

    @contextlib.contextmanager
    def refusing(self, *refusals: Refusal) -> "Any":
        """Refuse what these refusals describe while the context is entered."""
        self.refused.clear()
        self.refusals += refusals
        try:
            yield
        finally:
            for refusal in refusals:
                self.refusals.remove(refusal)

    @contextlib.asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        """Accept connections and requests, and answer none: callers run into read timeouts."""
        self._silent = asyncio.Event()
        try:
            yield
        finally:
            self._silent.set()
            self._silent = None

    @contextlib.asynccontextmanager
    async def unreachable(self, *, refused: bool) -> AsyncIterator[None]:
        """Refuse connections, or drop their packets: callers run into connect timeouts."""
        await self._close()
        if not refused:
            self._closed_port = _port_that_drops_packets(self._port, self._fillers)
        try:
            yield
        finally:
            for filler in self._fillers:
                filler.close()
            self._fillers.clear()
            if self._closed_port is not None:
                self._closed_port.close()
                self._closed_port = None
            await self.open()

    async def open(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://{HOST}:{self._port}"

    async def close(self) -> None:
        if self._silent is not None:
            self._silent.set()
        await self._close()
        if self._session is not None:
            await self._session.close()

    async def _close(self) -> None:
        if self._runner is not None:
            server = self._runner.server
            for connection in list(server.connections) if server is not None else ():
                if connection.transport is not None:
                    connection.transport.abort()
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = Call.of(request, body)
        if self._silent is not None:
            await self._silent.wait()
            _abort(request)
        for refusal in self.refusals:
            if (response := refusal.response(call)) is not None:
                self.refused[call.operation] += 1
                return response
        response = await self._forward(request, body)
        if call.operation in self.lossy and self.lost < self.losses:
            self.lost += 1
            _abort(request)  # AWS has executed the request; the client does not know
        return response

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        if self._session is None:
            self._session = ClientSession(auto_decompress=False, connector=TCPConnector(limit=0))
        async with self._session.request(
            request.method, f"{self.upstream}{request.path_qs}", data=body,
            headers={k: v for k, v in request.headers.items() if k != "Content-Length"},
        ) as reply:  # fmt: skip
            content = await reply.read()
            headers = {k: v for k, v in reply.headers.items() if k not in _PER_CONNECTION}
            return web.Response(status=reply.status, body=content, headers=headers)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


def _port_that_drops_packets(port: int, fillers: list[socket.socket]) -> socket.socket:
    """Listen with a full backlog, so that the kernel ignores further attempts to connect."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(0)
    for _ in range(2):
        filler = socket.socket()
        filler.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            filler.connect((HOST, port))
        fillers.append(filler)
    return listener


@contextlib.asynccontextmanager
async def aws_proxy(upstream: str) -> AsyncIterator[AwsProxy]:
    proxy = AwsProxy(upstream)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()


def error(service: str, code: str, message: str, status: int = 400, **more: Any) -> web.Response:
    """Return an error response of DynamoDB or SQS in their JSON protocols."""
    prefix = {DYNAMODB: "com.amazonaws.dynamodb.v20120810#", SQS: "com.amazonaws.sqs#"}[service]
    body = json.dumps({"__type": prefix + code, "message": message, **more}).encode()
    headers = {"x-amzn-RequestId": "0" * 52}
    if service == DYNAMODB:
        headers["x-amz-crc32"] = str(zlib.crc32(body))
    else:
        headers["x-amzn-query-error"] = f"{code};Sender"
    kind = JSON_TYPES[service]
    return web.Response(status=status, body=body, headers=headers, content_type=kind)


def refuse(service: str, code: str, message: str, *operations: str, status: int = 400) -> Refusal:
    """Return a refusal of these operations (default: all of the service) with one error."""

    def reply(_call: Call) -> web.Response:
        return error(service, code, message, status)

    return Refusal(service, reply, frozenset(operations))


def cancel_transactions(*reasons: str) -> Refusal:
    """Return a refusal of transactions: the first items have these reasons, others have none."""

    def reply(call: Call) -> web.Response:
        items = len(json.loads(call.body)["TransactItems"])
        codes = [*reasons[:items], *["None"] * (items - len(reasons))]
        listed = [
            {"Code": code} if code == "None" else {"Code": code, "Message": "Try again."}
            for code in codes
        ]
        message = (
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            f"[{', '.join(codes)}]"
        )
        code = "TransactionCanceledException"
        return error(DYNAMODB, code, message, Message=message, CancellationReasons=listed)

    return Refusal(DYNAMODB, reply, frozenset({"TransactWriteItems"}))


def fail_entries(code: str, *operations: str) -> Refusal:
    """Return a refusal of each entry of a batch, in a call that itself succeeds."""

    def reply(call: Call) -> web.Response | None:
        entries = json.loads(call.body).get("Entries")
        if entries is None:
            return None
        failed = [
            {"Id": each["Id"], "SenderFault": False, "Code": code, "Message": "Try again."}
            for each in entries
        ]
        body = json.dumps({"Successful": [], "Failed": failed}).encode()
        return web.Response(body=body, content_type=JSON_TYPES[SQS])

    return Refusal(SQS, reply, frozenset(operations))
