import re

import pytest
from jsonschema import Draft202012Validator

from gateway.http.openapi import describe
from gateway.http.routing import AnyRoute, Auth
from gateway.routes import ROUTES, bind
from tests.gateway.conformance import description
from tests.gateway.conftest import GatewayClient


def test_every_route_is_described_under_its_own_name() -> None:
    paths = describe(ROUTES)["paths"]
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert sorted(names) == sorted(route.operation_id for route in ROUTES)
    assert len(names) == len(set(names))


def test_every_route_is_bound_to_an_assembled_feature(client: GatewayClient) -> None:
    bound = [each.route for each in bind(client.gateway.dependencies)]
    assert sorted(bound, key=lambda route: route.operation_id) == sorted(
        ROUTES, key=lambda route: route.operation_id
    )


def test_operation_ids_do_not_change() -> None:
    names = {route.operation_id for route in ROUTES}
    assert {"create_user", "is_referral_valid", "send_invite"} <= names


@pytest.mark.slow
def test_every_schema_is_valid() -> None:
    for schema in describe(ROUTES)["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_the_description_is_served(client: GatewayClient) -> None:
    response = await client.get("/v1/openapi.json")
    assert response.status == 200
    assert response.json == describe(ROUTES)
    again = await client.get(
        "/v1/openapi.json", headers={"If-None-Match": response.headers["ETag"]}
    )
    assert again.status == 304


async def test_the_documentation_page_loads_from_this_host_only(client: GatewayClient) -> None:
    page = await client.get("/docs")
    assert page.status == 200
    assert b"://" not in page.body
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for asset in re.findall(rb'(?:src|href)="(/[^"]+)"', page.body):
        assert (await client.get(asset.decode())).status == 200, asset


def token(route: AnyRoute, client: GatewayClient) -> str | None:
    match route.auth:
        case Auth.PUBLIC | Auth.OPTIONAL:
            return None
        case Auth.ID | Auth.CLAIMANT:
            return client.issuer.id()
        case Auth.SERVICE:
            return client.issuer.program()
        case Auth.ADMIN:
            return client.issuer.access(**{"cognito:groups": ["admin"]})  # type: ignore[arg-type]
        case _:
            return client.issuer.access()


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if not route.streams],
    ids=lambda route: route.operation_id,
)
async def test_the_gateway_accepts_every_example(route: AnyRoute, client: GatewayClient) -> None:
    """The services may still reject it."""
    path = route.path.format(**{"command_id": "0", **route.example})
    options = {}
    if route.query is not None:
        options["params"] = route.body_example
    if route.body is not None and route.body.model_fields:
        options["json"] = route.body_example
    response = await client.call(route.method, path, token(route, client), **options)
    assert response.status not in (400, 403, 405, 422, 500), response.body
    assert description().operation(route.method, path) is not None


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.method == "GET" and not route.streams],
    ids=lambda route: route.operation_id,
)
async def test_the_description_names_the_reads_that_take_a_minimum_position(
    route: AnyRoute, client: GatewayClient
) -> None:
    path = route.path.format(**{"command_id": "0", **route.example})
    params = route.body_example if route.query is not None else None
    headers = {"X-Min-Position": "elsewhere@1"}
    response = await client.call("GET", path, token(route, client), headers, params=params)
    assert (response.status == 400) is route.takes_min_position, response.body


def test_examples_of_problems_match_their_schema() -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for response in describe(ROUTES)["components"]["responses"].values():
        (content,) = response["content"].values()
        description().validate(problem, content["example"])


def test_an_optional_query_parameter_is_not_described_as_null() -> None:
    paths = describe(ROUTES)["paths"].values()
    operations = [operation for path in paths for operation in path.values()]
    parameters = [each for one in operations for each in one.get("parameters", ())]
    assert not [each["name"] for each in parameters if "anyOf" in each["schema"]]


def test_field_descriptions_appear_in_the_document() -> None:
    schemas = describe(ROUTES)["components"]["schemas"]
    assert "all codes together" in schemas["CodeList"]["properties"]["remaining"]["description"]
    assert "vanity" in schemas["NewCode"]["properties"]["code"]["description"]
