"""Generate valid and invalid requests from the OpenAPI document, and validate the responses."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.http.openapi import describe
from gateway.http.routing import AnyRoute
from gateway.routes import ROUTES
from tests.support.rate_limits import restore_limits, suspend_limits
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

OPERATIONS = [route for route in ROUTES if not route.streams]  # a stream has no end to wait for
FEW = 4
EXAMPLES = int(os.environ.get("API_EXAMPLES", FEW))
"""Number of requests per operation; more than `FEW` differ in each run."""
CONFORM: list[Any] = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
async def open_stack(stack: Stack) -> AsyncIterator[Stack]:
    """Start a gateway that rejects no request because of a limit."""
    for name in ("referrals", "compute", "invites"):
        stack.service(name).start()
    async with Redis.from_url(stack.settings.redis_url) as redis:
        await suspend_limits(redis)
        stack.service("gateway").stop()
        await stack.service("gateway").start().ready()
        await asyncio.gather(*(stack.service(n).ready() for n in ("referrals", "compute")))
        yield stack
        await restore_limits(redis)
    stack.service("gateway").stop()


@pytest.fixture(scope="module")
def tokens(open_stack: Stack) -> dict[str, str]:
    people = open_stack.users
    people.sign_up("schema@example.com")
    signed_in = people.sign_in("schema@example.com")
    return {
        "id": signed_in["id"],
        "access": signed_in["access"],
        "service": people.service_token(),
    }


def token_for(operation: dict[str, Any], tokens: dict[str, str]) -> str:
    names = {name for way in operation["security"] for name in way}
    if "serviceToken" in names:
        return tokens["service"]
    return tokens["id"] if names == {"idToken"} else tokens["access"]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def api() -> Any:
    return schemathesis.openapi.from_dict(describe(OPERATIONS))


@pytest.mark.parametrize(
    "route", OPERATIONS, ids=[f"{route.method} {route.path}" for route in OPERATIONS]
)
def test_every_response_matches_the_description(
    route: AnyRoute,
    api: Any,
    open_stack: Stack,
    tokens: dict[str, str],
    session: requests.Session,
) -> None:
    gateway = open_stack.service("gateway")

    @settings(
        max_examples=EXAMPLES,
        derandomize=EXAMPLES == FEW,
        suppress_health_check=list(HealthCheck),
    )
    def conforms(case: Any) -> None:
        bearer = token_for(case.operation.definition.raw, tokens)
        headers = {"Authorization": f"Bearer {bearer}"}
        response = case.call(base_url=gateway.url, session=session, headers=headers)
        assert response.status_code != 500
        case.validate_response(response, checks=CONFORM)

    # `@schema.parametrize()` would generate all cases again in every worker of the suite
    build_operation_test(
        config=api.config,
        operation=api[route.path][route.method],
        test_func=conforms,
        given_kwargs={},
        feedback=FeedbackSources(),
    )()
