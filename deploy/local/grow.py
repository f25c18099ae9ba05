"""Let the demo token grow in the running stack, and analyse it after each step."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from deploy.local.bootstrap import REFRESH_SECONDS
from deploy.local.chain import TOKEN
from deploy.local.provision import wait_for
from deploy.local.settings import LocalSettings

PATH = f"/v1/tokens/cluster/local/{TOKEN}"
SECONDS = 60
"""Seconds that an analysis may take, including the wait until it can be requested."""


class NotGrown(Exception):
    """The gateway rejects the analysis; the message is its reason."""


def grow(settings: LocalSettings, token: str) -> Iterator[str]:
    """Yield the name of each step once its report is stored; nothing if the token has grown.

    Args:
        settings: Those of the running stack.
        token: An access token; each report counts against its limit of analyses.

    Raises:
        NotGrown: an analysis was rejected, or has failed.
        TimeoutError: an analysis did not end.
    """
    while (step := _next_step(settings.chain_url)) is not None:
        _analyse(settings.gateway_url, token)
        yield step


def _next_step(chain_url: str) -> str | None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "local_grow", "params": []}
    _, answer = _send(chain_url, "POST", "/", {}, call)
    step: str | None = answer["result"]
    return step


def _analyse(gateway_url: str, token: str) -> None:
    """Request a report once the gateway accepts another one, and wait for it.

    Requests that are refused count against the limit of five an hour: each waits first.
    """
    headers = {"Authorization": f"Bearer {token}"}
    accepted: dict[str, Any] = {}

    def is_accepted() -> bool:
        status, body = _send(gateway_url, "POST", f"{PATH}/refresh", headers, {})
        if status not in (HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT):
            raise NotGrown(body["detail"])
        accepted.update(body if status == HTTPStatus.ACCEPTED else {})
        return status == HTTPStatus.ACCEPTED

    time.sleep(REFRESH_SECONDS)
    wait_for("the analysis of the token", is_accepted, SECONDS, pause=REFRESH_SECONDS)
    path, waiting = f"/v1/jobs/{accepted['job']['id']}", headers | {"Prefer": "wait=25"}
    _, job = _send(gateway_url, "GET", path, waiting)
    if job["state"] != "done":
        raise NotGrown(job["detail"] or "The analysis of the token has not ended.")


def _send(
    url: str, method: str, path: str, headers: Mapping[str, str], body: Any = None
) -> tuple[int, Any]:
    """Return the status and the JSON of a response."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        content = None if body is None else json.dumps(body)
        json_type = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, content, {**headers, **json_type})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()
