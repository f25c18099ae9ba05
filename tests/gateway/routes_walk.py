"""Call every route of the API as a caller that it admits."""

import re
from typing import Any

from gateway.http.responses import JSON_TYPE
from gateway.http.routing import AnyRoute, Auth
from gateway.routes import ROUTES
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import Issuer
from tests.support.eventually import eventually
from tests.support.rate_limits import suspend_limits

WITH_BODY = [route for route in ROUTES if route.method != "GET"]
READS = [route for route in ROUTES if route.method == "GET"]
WITH_PARAMETERS = [route for route in ROUTES if "{" in route.path]
_PARAMETER = re.compile(r"\{(\w+)\}")


async def unlimited(gateways: Gateways, **settings: Any) -> GatewayClient:
    """Open a gateway that rejects no request because of a limit."""
    await suspend_limits(gateways.redis)
    client = await gateways.open(**settings)
    limits = client.gateway.dependencies.limiter.table

    async def suspended() -> bool:
        return all(limit.shadow for limit in limits.limits.values())

    await eventually(suspended)
    return client


def token_for(route: AnyRoute, issuer: Issuer) -> str | None:
    """Return a token that the route admits; None where none is needed."""
    match route.auth:
        case Auth.PUBLIC | Auth.OPTIONAL:
            return None
        case Auth.ID | Auth.CLAIMANT:
            return issuer.id()
        case Auth.SERVICE:
            return issuer.program()
        case Auth.ADMIN:
            groups: dict[str, Any] = {"cognito:groups": ["admin"]}
            return issuer.access(**groups)
        case Auth.ACCESS | Auth.PERSON | Auth.CALLER:
            return issuer.access()


def path_of(route: AnyRoute, **parameters: str) -> str:
    """Return the path of the route's example, with some parameters replaced."""
    values = {"command_id": "0" * 32, **route.example, **parameters}
    return _PARAMETER.sub(lambda found: str(values[found[1]]), route.path)


def parameters_of(route: AnyRoute) -> list[str]:
    return _PARAMETER.findall(route.path)


def head_of(route: AnyRoute, client: GatewayClient, *lines: str, kind: str = JSON_TYPE) -> bytes:
    """Return the bytes of a request up to its body."""
    token = token_for(route, client.issuer)
    head = [f"{route.method} {path_of(route)} HTTP/1.1", "Host: vouch", f"Content-Type: {kind}"]
    head += [] if token is None else [f"Authorization: Bearer {token}"]
    return "\r\n".join([*head, *lines, "", ""]).encode()
