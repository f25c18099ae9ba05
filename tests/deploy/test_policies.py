"""The policies of the template allow every call that the event store makes."""

import re
from typing import Any, Final

import pytest
import yaml

from deploy.folders import ROOT, event_sourced_names

_PERMISSIONS: Final = {"transact_write_items": {"ConditionCheckItem", "PutItem"}}
"""Call -> permissions, where they have other names."""


class _Loader(yaml.SafeLoader):
    """Read a template: `!GetAtt X.Arn` becomes `X.Arn`."""


def _value(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    raise TypeError(node)


_Loader.add_multi_constructor("!", _value)


def calls(folder: str) -> set[str]:
    """Return the names of the calls to DynamoDB in a folder, found in its source."""
    return {
        call
        for path in (ROOT / folder).rglob("*.py")
        for call in re.findall(r"\b_?client\.([a-z_]+)\(", path.read_text())
    }


def permissions(call: str) -> set[str]:
    return _PERMISSIONS.get(call, {call.title().replace("_", "")})


@pytest.fixture(scope="module")
def template() -> Any:
    return yaml.load((ROOT / "deploy" / "template.yaml").read_text(), _Loader)  # noqa: S506


@pytest.mark.parametrize("service", event_sourced_names())
def test_a_service_may_make_every_call_of_the_event_store(template: Any, service: str) -> None:
    policy = template["Resources"][f"{service.title()}Policy"]["Properties"]["PolicyDocument"]
    allowed = {
        action.removeprefix("dynamodb:")
        for statement in policy["Statement"]
        if f"{service.title()}Events.Arn" in statement["Resource"]
        for action in statement["Action"]
    }
    made = calls("chassis/log")
    assert {"describe_table", "query", "put_item", "transact_write_items", "scan"} <= made
    assert set().union(*(permissions(call) for call in made)) <= allowed


@pytest.mark.parametrize(
    ("service", "source", "resource", "made"),
    [
        (
            "compute",
            "libs/readthrough",
            "ComputeReports.Arn",
            {"DescribeTable", "Query", "PutItem"},
        ),
        (
            "gateway",
            "libs/readthrough",
            "ComputeReports.Arn",
            {"DescribeTable", "Query", "PutItem"},
        ),
        (
            "compute",
            "services/compute/chain",
            "${ComputeSegments.Arn}/*",
            {"GetObject", "PutObject"},
        ),
        ("invites", "services/invites", "*", {"GetAccount"}),
        ("invites", "services/invites", "identity/*", {"SendEmail"}),
    ],
)
def test_a_service_may_make_every_call_of_its_other_clients(
    template: Any, service: str, source: str, resource: str, made: set[str]
) -> None:
    policy = template["Resources"][f"{service.title()}Policy"]["Properties"]["PolicyDocument"]
    allowed = {
        action.partition(":")[2]
        for statement in policy["Statement"]
        if any(str(each).endswith(resource) for each in as_list(statement["Resource"]))
        for action in as_list(statement["Action"])
    }
    assert made <= allowed
    assert made <= set().union(*map(permissions, calls(source)))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_an_operator_may_resend_and_discard_every_dead_letter(template: Any) -> None:
    resources = template["Resources"]
    queues = {name for name, each in resources.items() if each["Type"] == "AWS::SQS::Queue"}
    dead = {f"{name}.Arn" for name in queues if name.endswith("DeadLetters")}
    sources = {f"{name}.Arn" for name in queues} - dead
    reading, sending = resources["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert set(reading["Resource"]) == dead
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"} <= set(
        reading["Action"]
    )
    assert set(sending["Resource"]) == sources
    assert "sqs:SendMessage" in sending["Action"]
    assert all("sqs:GetQueueAttributes" in each["Action"] for each in (reading, sending))
