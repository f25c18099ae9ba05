"""Policies allow what the services do; `make test-policies` runs the journeys under them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError

from deploy.folders import DATA_STACKS, ROOT, event_sourced_names
from deploy.local.provision import deploy, published
from deploy.local.settings import REGION, SERVICES, LocalSettings
from deploy.stack_templates import read_template
from tests.support.policies import Permission, Policy, SignedRequest, permissions
from tests.support.policy_proxy import policy_proxy
from tests.support.policy_use import JUSTIFIED, WIDE, Grant, too_wide, unjustified, use_of
from tests.support.stack import Stack, local_settings, redis_server

_PERMISSIONS: Final = {"transact_write_items": {"ConditionCheckItem", "PutItem"}}
"""Call -> permissions, where they have other names."""


def statements(service: str, policy: str = "Policy") -> list[dict[str, Any]]:
    """Return what a policy of a service's template allows."""
    text = (DATA_STACKS / f"{service}.yaml").read_text()
    resources = read_template(text)["Resources"]
    found = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
    return [each for each in found if each["Effect"] == "Allow"]


def calls(folder: str) -> set[str]:
    """Return the names of the calls to AWS in a folder, found in its source."""
    return {
        call
        for path in (ROOT / folder).rglob("*.py")
        for call in re.findall(r"\b_?client\.([a-z_]+)\(", path.read_text())
    }


def actions(call: str) -> set[str]:
    return _PERMISSIONS.get(call, {call.title().replace("_", "")})


def allowed(service: str, resource: str) -> set[str]:
    """Return the actions on resources that end so."""
    return {
        action.partition(":")[2]
        for statement in statements(service)
        if any(str(each).endswith(resource) for each in as_list(statement["Resource"]))
        for action in as_list(statement["Action"])
    }


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("service", event_sourced_names())
def test_a_service_may_make_every_call_of_the_event_store(service: str) -> None:
    made = calls("chassis/log")
    assert {"describe_table", "query", "put_item", "transact_write_items", "scan"} <= made
    granted = allowed(service, "Events.Arn") | allowed(service, "Meta.Arn")
    assert set().union(*(actions(call) for call in made)) == granted


@pytest.mark.parametrize(
    ("service", "source", "resource", "made"),
    [
        ("compute", "libs/readthrough", "Reports.Arn", {"DescribeTable", "PutItem"}),
        (
            "gateway",
            "libs/readthrough",
            "-compute-reports",
            {"DescribeTable", "Query", "PutItem"},
        ),
        ("compute", "services/compute/chain", "${Segments.Arn}/*", {"GetObject", "PutObject"}),
        ("invites", "services/invites", "*", {"GetAccount"}),
        ("invites", "services/invites", "identity/${MailFrom}", {"SendEmail"}),
    ],
)
def test_a_service_may_make_every_call_of_its_other_clients(
    service: str, source: str, resource: str, made: set[str]
) -> None:
    assert made <= allowed(service, resource)
    assert made <= set().union(*map(actions, calls(source)))


@pytest.mark.parametrize("service", event_sourced_names())
def test_an_operator_may_resend_and_discard_every_dead_letter(service: str) -> None:
    received = {
        queue
        for statement in statements(service)
        if "sqs:ReceiveMessage" in statement["Action"]
        for queue in statement["Resource"]
    }
    dead = {re.sub(r"(\.fifo)?$", r"-dlq\1", queue, count=1) for queue in received}
    reading, sending = statements(service, "DeadLettersPolicy")
    assert set(reading["Resource"]) == dead
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"} <= set(
        reading["Action"]
    )
    assert set(sending["Resource"]) == received
    assert "sqs:SendMessage" in sending["Action"]
    assert all("sqs:GetQueueAttributes" in each["Action"] for each in (reading, sending))


@pytest.fixture
async def enforcing(
    aws: str, settings: LocalSettings, tmp_path: Path
) -> AsyncIterator[tuple[Stack, dict[str, str]]]:
    """A new stack whose policies are enforced, with an empty Redis, and its published names."""
    own = local_settings(tmp_path).model_copy(
        update={"aws_port": settings.aws_port, "stack": f"{settings.stack}-enforcing"}
    )
    assert own.aws_url == aws
    stack = Stack.deployed(own)
    names = deploy(own.aws_url, own.stack, own.gateway_url)
    if stack.proxy is None:
        stack.enforce_policies(names)
    with redis_server(own):
        yield stack, names
        stack.stop()


@pytest.mark.stack
async def test_each_service_starts_for_the_first_time_within_its_policy(
    enforcing: tuple[Stack, dict[str, str]],
) -> None:
    stack, _ = enforcing
    for service in SERVICES:
        stack.service(service).start()
    for service in SERVICES:
        await stack.service(service).ready(seconds=90)
    assert stack.proxy is not None
    described = Permission("dynamodb:DescribeTable", "*-events")
    for service in event_sourced_names():  # it estimates how long the first build takes
        assert any(described.covers(each) for name, each in stack.proxy.used if name == service)
    assert not stack.proxy.denied


def test_a_request_that_is_not_granted_is_denied() -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["sqs:Send*"], "Resource": "arn:aws:sqs:*:*:vouch-*"},
            {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:sqs:*:*:vouch-secret"},
        ],
    }
    policy = Policy.of(document)
    queue = "arn:aws:sqs:eu-west-2:000000000000:vouch-"
    assert policy.allows(Permission("sqs:SendMessage", f"{queue}a"))
    assert not policy.allows(Permission("sqs:ReceiveMessage", f"{queue}a"))
    assert not policy.allows(Permission("sqs:SendMessage", f"{queue}secret"))
    with pytest.raises(NotImplementedError):
        Policy.of({"Statement": [{**document["Statement"][0], "Condition": {"Bool": {"a": "b"}}}]})  # type: ignore[dict-item]


def json_request(service: str, target: str, **body: Any) -> SignedRequest:
    return SignedRequest("x", service, "POST", "/", "", target, json.dumps(body).encode())


def rest_request(service: str, method: str, path: str, **body: Any) -> SignedRequest:
    encoded = json.dumps(body).encode() if body else b""
    return SignedRequest("x", service, method, path, "", "", encoded)


TRANSACTION = [{"Put": {"TableName": "e"}}, {"ConditionCheck": {"TableName": "m"}}]
RAW_MAIL = {
    "FromEmailAddress": "Vouch <hello@vouch.example>",
    "ConfigurationSetName": "set",
    "Content": {"Raw": {"Data": ""}},
}


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        (
            json_request("dynamodb", "TransactWriteItems", TransactItems=TRANSACTION),
            ["dynamodb:PutItem table/e", "dynamodb:ConditionCheckItem table/m"],
        ),
        (
            json_request("dynamodb", "BatchWriteItem", RequestItems={"m": []}),
            ["dynamodb:BatchWriteItem table/m"],
        ),
        (json_request("dynamodb", "Scan", TableName="e"), ["dynamodb:Scan table/e"]),
        (
            json_request("sqs", "DeleteMessageBatch", QueueUrl="http://x/000000000000/q.fifo"),
            ["sqs:DeleteMessage q.fifo"],
        ),
        (json_request("sqs", "GetQueueUrl", QueueName="q"), ["sqs:GetQueueUrl q"]),
        (rest_request("s3", "HEAD", "/b/a/key"), ["s3:GetObject b/a/key"]),
        (rest_request("s3", "PUT", "/b/a/key"), ["s3:PutObject b/a/key"]),
        (rest_request("s3", "GET", "/b"), ["s3:ListBucket b"]),
        (rest_request("ses", "GET", "/v2/email/account"), ["ses:GetAccount *"]),
        (
            rest_request("ses", "POST", "/v2/email/outbound-emails", **RAW_MAIL),
            [
                "ses:SendEmail identity/hello@vouch.example",
                "ses:SendEmail configuration-set/set",
                "ses:SendRawEmail identity/hello@vouch.example",
                "ses:SendRawEmail configuration-set/set",
            ],
        ),
    ],
)
def test_a_request_needs_permissions(request_: SignedRequest, needed: list[str]) -> None:
    found = [f"{each.action} {each.resource.rpartition(':')[2]}" for each in permissions(request_)]
    assert found == needed


def use(*grants: tuple[str, str, bool]) -> dict[Grant, bool]:
    """Return the recorded use of grants to compute: (action, resource, whether it was used)."""
    lines = [
        json.dumps(["compute", action, f"arn:aws:dynamodb:::{resource}", used])
        for action, resource, used in grants
    ]
    return use_of(lines)


EVENTS, META = "table/<stack>-compute-events", "table/<stack>-compute-meta"


def test_a_grant_is_used_if_one_stack_has_needed_it() -> None:
    assert not unjustified(use(("dynamodb:Query", EVENTS, True), ("dynamodb:Query", EVENTS, False)))
    (grant,) = unjustified(use(("dynamodb:Query", EVENTS, False)))
    assert grant[0] == "compute"


def test_a_grant_on_restored_tables_is_needed_as_long_as_that_on_the_table_is() -> None:
    restored = ("dynamodb:Query", f"{EVENTS}-*", False)
    assert unjustified(use(restored))
    assert len(unjustified(use(restored, ("dynamodb:Query", EVENTS, False)))) == 2
    assert not unjustified(use(restored, ("dynamodb:Query", EVENTS, True)))


def test_a_grant_that_no_test_can_need_has_a_reason_for_this_table_alone() -> None:
    assert not unjustified(use(("dynamodb:ConditionCheckItem", META, False)))
    assert unjustified(use(("dynamodb:ConditionCheckItem", f"{META}s", False)))
    assert unjustified(use(("dynamodb:ConditionCheckItem", META.replace("compute", "x"), False)))
    for patterns in (JUSTIFIED, WIDE):
        assert all("*" not in principal + action for principal, action, _ in patterns)
        assert all(len(why) > 10 for why in patterns.values())


@pytest.mark.parametrize(
    "grant",
    [("dynamodb:*", EVENTS), ("dynamodb:Query", "table/*"), ("sqs:SendMessage", "<stack>-*")],
)
def test_a_grant_that_allows_more_than_one_request_shows_is_reported(
    grant: tuple[str, str],
) -> None:
    assert too_wide(use((*grant, True)))
    assert not too_wide(
        use(("dynamodb:Query", EVENTS, True), ("dynamodb:Query", f"{EVENTS}-*", True))
    )


@pytest.mark.stack
async def test_a_removed_grant_is_a_denial_and_an_added_one_is_unused(stack: Stack) -> None:
    endpoint, name = stack.settings.aws_url, stack.settings.stack
    names = published(endpoint, name)
    described = Permission("dynamodb:DescribeTable", f"*:table/{name}-referrals-events")
    with policy_proxy(endpoint, name, names) as proxy:
        removed = {
            grant for grant in proxy.policies["referrals"].granted if described.covers(grant)
        }
        added = Permission("dynamodb:DeleteTable", next(iter(removed)).resource)
        policies = dict(proxy.policies)
        dynamodb = boto3.client(
            "dynamodb", endpoint_url=proxy.url, region_name=REGION,
            aws_access_key_id="referrals", aws_secret_access_key="x",
        )  # fmt: skip

        def describe() -> None:
            dynamodb.describe_table(TableName=f"{name}-referrals-events")

        proxy.policies = policies
        await asyncio.to_thread(describe)
        assert not proxy.denied
        granted = policies["referrals"].granted | {added}
        proxy.policies = {**policies, "referrals": Policy(granted, frozenset())}
        assert ("referrals", added) in proxy.unused()
        assert not any(("referrals", grant) in proxy.unused() for grant in removed)
        granted = policies["referrals"].granted - removed
        proxy.policies = {**policies, "referrals": Policy(granted, frozenset())}
        with pytest.raises(ClientError, match="AccessDenied"):
            await asyncio.to_thread(describe)
        assert [(principal, each.action) for principal, each in proxy.denied] == [
            ("referrals", "dynamodb:DescribeTable")
        ]
