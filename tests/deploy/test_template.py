"""The deployed template provides what the services rely on."""

import json
import re
from typing import Any

import pytest

from chassis.bus.announcements import announcements_queue
from chassis.bus.commands import commands_queue
from chassis.run.deliveries import MAX_FAILURES
from contracts.compute import reports_table
from deploy.folders import ROOT, event_sourced_names
from deploy.local.provision import TEMPLATE, client, deploy
from deploy.local.settings import LocalSettings
from deploy.services import declared_services
from invites.feedback import REPORTS
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

SERVICES = event_sourced_names()
QUEUES = [
    (queue, service.name)
    for service in declared_services()
    for queue in (commands_queue, announcements_queue)
]


@pytest.fixture(scope="module")
def sqs(stack: Stack) -> Any:
    return client("sqs", stack.settings.aws_url)


@pytest.fixture(scope="module")
def dynamodb(stack: Stack) -> Any:
    return client("dynamodb", stack.settings.aws_url)


def attributes(sqs: Any, queue: str) -> dict[str, str]:
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_its_own_tables(dynamodb: Any, stack: Stack, service: str) -> None:
    prefix = f"{stack.settings.stack}-{service}"
    events = dynamodb.describe_table(TableName=f"{prefix}-events")["Table"]
    meta = dynamodb.describe_table(TableName=f"{prefix}-meta")["Table"]
    assert keys(events) == {"p": ("HASH", "S"), "s": ("RANGE", "N")}
    assert keys(meta) == {"k": ("HASH", "S")}


def keys(table: dict[str, Any]) -> dict[str, tuple[str, str]]:
    types = {row["AttributeName"]: row["AttributeType"] for row in table["AttributeDefinitions"]}
    return {
        row["AttributeName"]: (row["KeyType"], types[row["AttributeName"]])
        for row in table["KeySchema"]
    }


@pytest.mark.parametrize(("queue", "service"), QUEUES)
def test_a_queue_keeps_order_per_stream_and_ends_in_dead_letters(
    sqs: Any, stack: Stack, queue: Any, service: str
) -> None:
    name = queue(stack.settings.stack, service)
    found = attributes(sqs, name)
    assert found["FifoQueue"] == "true"
    assert found["DeduplicationScope"] == "messageGroup"
    assert found["FifoThroughputLimit"] == "perMessageGroupId"
    dead = attributes(sqs, name.replace(".fifo", "-dlq.fifo"))
    redrive = json.loads(found["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead["QueueArn"]
    assert int(redrive["maxReceiveCount"]) > MAX_FAILURES  # for processes that die
    assert dead["FifoQueue"] == "true"


def test_compute_keeps_reports_in_a_table_and_transfers_in_a_bucket(
    dynamodb: Any, stack: Stack
) -> None:
    table = dynamodb.describe_table(TableName=reports_table(stack.settings.stack))["Table"]
    assert keys(table) == {"pk": ("HASH", "S"), "computedAt": ("RANGE", "N")}
    s3 = client("s3", stack.settings.aws_url)
    s3.head_bucket(Bucket=stack.environment["SEGMENTS_BUCKET"])


def test_deploying_again_changes_nothing(stack: Stack) -> None:
    again = deploy(stack.settings.aws_url, stack.settings.stack, stack.settings.gateway_url)
    assert again["UserPoolId"] == stack.users.pool


def test_stacks_with_other_names_live_side_by_side(settings: LocalSettings, stack: Stack) -> None:
    other = deploy(settings.aws_url, "other", settings.gateway_url)
    assert other["UserPoolId"] != stack.users.pool
    attributes(client("sqs", settings.aws_url), commands_queue("other", "referrals"))


def test_the_documentation_asks_for_the_capability_that_the_template_needs() -> None:
    """Policies without names of their own need CAPABILITY_IAM, not CAPABILITY_NAMED_IAM."""
    names = set(re.findall(r"\b(?:Role|User|ManagedPolicy)Name:", TEMPLATE.read_text()))
    assert names == set()
    for page in ("README.md", "docs/operations.md"):
        asked = re.findall(r"CAPABILITY_\w+", (ROOT / page).read_text())
        assert set(asked) == {"CAPABILITY_IAM"}, page


def test_ses_reports_everything_that_the_invites_service_records() -> None:
    (types,) = re.findall(r"MatchingEventTypes: \[(.*)\]", TEMPLATE.read_text())
    reported = {each.replace("renderingFailure", "rendering Failure") for each in types.split(", ")}
    assert {name[0].upper() + name[1:] for name in reported} == set(REPORTS)


def test_a_distribution_serves_the_pages_if_there_is_a_domain_of_the_api(stack: Stack) -> None:
    formation = client("cloudformation", stack.settings.aws_url)
    name = f"{stack.settings.stack}-distributed"
    parameters = {"ApiDomain": "api.vouch.example", "WebUrl": "https://app.vouch.example"}
    formation.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    outputs = _outputs(formation, name)
    assert {"WebPagesBucket", "WebDistributionId", "WebDistributionDomain"} <= outputs.keys()
    found = client("cloudfront", stack.settings.aws_url).get_distribution_config(
        Id=outputs["WebDistributionId"]
    )["DistributionConfig"]
    behaviours = {each["PathPattern"]: each for each in found["CacheBehaviors"]["Items"]}
    assert {each["TargetOriginId"] for each in behaviours.values()} == {"api"}
    assert "/v1/*" in behaviours
    assert found["DefaultCacheBehavior"]["TargetOriginId"] == "pages"
    assert "WebDistributionId" not in _outputs(formation, stack.settings.stack)


def _outputs(formation: Any, name: str) -> dict[str, str]:
    formation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (described,) = formation.describe_stacks(StackName=name)["Stacks"]
    return {row["OutputKey"]: row["OutputValue"] for row in described["Outputs"]}
