"""The data stacks provide what the services rely on, each alone and in any order."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chassis.bus.announcements import announcements_queue
from chassis.bus.commands import commands_queue
from chassis.log.dynamodb_items import encode_command
from chassis.log.event_store import ExecutedCommand
from chassis.run.deliveries import MAX_FAILURES
from contracts.compute import reports_table
from deploy.folders import DATA_STACKS, ROOT, WEB_STACK, event_sourced_names
from deploy.local.provision import (
    client,
    create_or_update,
    deploy,
    published,
    wait_until_deployed,
)
from deploy.local.settings import LocalSettings
from deploy.services import declared_services
from invites.app import FEEDBACK_QUEUE
from invites.feedback import REPORTS
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

SERVICES = event_sourced_names()
STACKS = sorted(DATA_STACKS.glob("*.yaml"))
QUEUES = [
    (queue, service.name)
    for service in declared_services()
    for queue in (commands_queue, announcements_queue)
]
ALL_QUEUES = [
    f"{service.name}-{queue}"
    for service in declared_services()
    for queue in ("commands.fifo", "announcements.fifo", *service.queues)
]
"""All queues that services receive from, without the name of the stack."""


def dead_letter_queue(queue: str) -> str:
    name, dot, ending = queue.partition(".")
    return f"{name}-dlq{dot}{ending}"


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


@pytest.mark.parametrize("queue", ALL_QUEUES)
def test_a_queue_is_reached_with_tls_only_and_its_dead_letters_come_from_it(
    sqs: Any, stack: Stack, queue: str
) -> None:
    source = attributes(sqs, f"{stack.settings.stack}-{queue}")
    dead = attributes(sqs, f"{stack.settings.stack}-{dead_letter_queue(queue)}")
    assert json.loads(dead["RedriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [source["QueueArn"]],
    }
    for each in (source, dead):
        assert denies_plain_connections(json.loads(each["Policy"]), each["QueueArn"])


def denies_plain_connections(policy: dict[str, Any], resource: Any) -> bool:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return any(
        each["Effect"] == "Deny" and each["Resource"] == resource and each["Condition"] == condition
        for each in policy["Statement"]
    )


def test_compute_keeps_reports_in_a_table_and_transfers_in_a_bucket(
    dynamodb: Any, stack: Stack
) -> None:
    table = dynamodb.describe_table(TableName=reports_table(stack.settings.stack))["Table"]
    assert keys(table) == {"pk": ("HASH", "S"), "computedAt": ("RANGE", "N")}
    s3 = client("s3", stack.settings.aws_url)
    bucket = stack.environment["SEGMENTS_BUCKET"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    arn = f"arn:aws:s3:::{bucket}"
    assert denies_plain_connections(policy, [arn, f"{arn}/*"])


def test_the_topic_of_mail_feedback_is_reached_with_tls_only(stack: Stack) -> None:
    arn = published(stack.settings.aws_url, stack.settings.stack)["mail/feedback-topic-arn"]
    topic = client("sns", stack.settings.aws_url).get_topic_attributes(TopicArn=arn)
    assert denies_plain_connections(json.loads(topic["Attributes"]["Policy"]), arn)


def test_items_expire_where_the_code_writes_when() -> None:
    """The local AWS ignores the setting of a template."""
    expiring = {
        path.stem: re.findall(r"TableName: (.*)|AttributeName: (\w+)\n +Enabled: true", text)
        for path in STACKS
        if "TimeToLive" in (text := path.read_text())
    }
    assert expiring.keys() == set(SERVICES)
    for service, found in expiring.items():
        position = found.index(("", "ttl"))
        assert found[position - 1][0] == f'!Sub "${{Stack}}-{service}-meta"'
        assert [attribute for _, attribute in found if attribute] == ["ttl"]
    command = ExecutedCommand(stream="a", command_id="b", first=1, last=1, at=0)
    assert encode_command(command, expires_at=1)["ttl"] == {"N": "1"}


def test_names_and_policies_are_published(stack: Stack) -> None:
    names = published(stack.settings.aws_url, stack.settings.stack)
    prefix = stack.settings.stack
    for service in SERVICES:
        assert names[f"{service}/events-table"] == f"{prefix}-{service}-events"
        assert names[f"{service}/meta-table"] == f"{prefix}-{service}-meta"
        assert names[f"{service}/commands-queue"] == commands_queue(prefix, service)
        assert names[f"{service}/announcements-queue"] == announcements_queue(prefix, service)
        assert ":policy/" in names[f"{service}/policy-arn"]
        assert ":policy/" in names[f"{service}/dead-letters-policy-arn"]
    assert ":policy/" in names["gateway/policy-arn"]
    assert names["compute/reports-table"] == reports_table(prefix)
    assert names["mail/feedback-queue"] == f"{prefix}-invites-{FEEDBACK_QUEUE}"


def test_deploying_again_changes_nothing(stack: Stack) -> None:
    again = deploy(stack.settings.aws_url, stack.settings.stack, stack.settings.gateway_url)
    assert again == published(stack.settings.aws_url, stack.settings.stack)
    assert again["people/user-pool-id"] == stack.users.pool


def returns(aws: str, names: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the addresses that the sign-in pages return to: after a sign-in, after a sign-out."""
    described = client("cognito-idp", aws).describe_user_pool_client(
        UserPoolId=names["people/user-pool-id"], ClientId=names["people/client-id"]
    )["UserPoolClient"]
    return described["CallbackURLs"], described["LogoutURLs"]


def test_the_sign_in_pages_of_this_machine_return_to_either_of_its_names(stack: Stack) -> None:
    port = stack.settings.gateway_port
    origins = [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
    names = published(stack.settings.aws_url, stack.settings.stack)
    signed_in, signed_out = returns(stack.settings.aws_url, names)
    assert signed_in == [f"{origin}/app/signed-in" for origin in origins]
    assert signed_out == [f"{origin}/app/" for origin in origins]


def test_the_sign_in_pages_return_to_one_origin_by_default(formation: Any, aws: str) -> None:
    stack = f"origin-{uuid4().hex[:8]}"
    create(formation, DATA_STACKS / "people.yaml", Stack=stack, WebUrl="https://vouch.test")
    signed_in, signed_out = returns(aws, published(aws, stack))
    assert signed_in == ["https://vouch.test/app/signed-in"]
    assert signed_out == ["https://vouch.test/app/"]


def test_stacks_with_other_names_live_side_by_side(settings: LocalSettings, stack: Stack) -> None:
    other = deploy(settings.aws_url, "other", settings.gateway_url)
    assert other["people/user-pool-id"] != stack.users.pool
    attributes(client("sqs", settings.aws_url), commands_queue("other", "referrals"))


@pytest.fixture
def formation(aws: str) -> Any:
    return client("cloudformation", aws)


def create(formation: Any, template: Path, **given: str) -> str:
    """Create a stack, wait for it, and return its name."""
    name = create_or_update(formation, template, {"DeletionProtection": "false", **given})
    wait_until_deployed(formation, name)
    return name


@pytest.mark.parametrize("template", STACKS, ids=lambda path: path.stem)
def test_a_stack_is_created_alone(formation: Any, template: Path) -> None:
    create(formation, template, Stack=f"alone-{uuid4().hex[:8]}")


@pytest.mark.parametrize("order", [sorted, lambda paths: sorted(paths, reverse=True)])
def test_stacks_are_created_in_any_order(formation: Any, order: Any) -> None:
    stack = f"order-{uuid4().hex[:8]}"
    for template in order(STACKS):
        create(formation, template, Stack=stack)


@pytest.mark.parametrize("template", [*STACKS, WEB_STACK], ids=lambda path: path.stem)
def test_a_stack_refers_to_no_other_stack(template: Path) -> None:
    assert "ImportValue" not in template.read_text()
    assert "Export:" not in template.read_text()


def test_the_domain_of_the_sender_can_be_verified_instead_of_the_address(formation: Any) -> None:
    name = create(
        formation,
        DATA_STACKS / "mail.yaml",
        Stack=f"domain-{uuid4().hex[:8]}",
        MailDomain="example.com",
    )
    records = _outputs(formation, name)
    assert records["MailFromRecord"].startswith("bounces.example.com MX 10 feedback-smtp.")
    assert records.keys() == {"MailFromRecord", "SpfRecord", "DmarcRecord"}


def test_deletion_protection_is_on_unless_it_is_turned_off(formation: Any, dynamodb: Any) -> None:
    stack = f"guarded-{uuid4().hex[:8]}"
    for name in ("referrals", "people"):
        create(formation, DATA_STACKS / f"{name}.yaml", Stack=stack, DeletionProtection="true")
    for table in ("events", "meta"):
        described = dynamodb.describe_table(TableName=f"{stack}-referrals-{table}")["Table"]
        assert described["DeletionProtectionEnabled"] is True
    assert 'Default: "true"' in (DATA_STACKS / "referrals.yaml").read_text()


def test_a_deleted_stack_leaves_its_tables_and_messages(
    formation: Any, sqs: Any, dynamodb: Any
) -> None:
    stack = f"deleted-{uuid4().hex[:8]}"
    name = create(formation, DATA_STACKS / "referrals.yaml", Stack=stack)
    queue = sqs.get_queue_url(QueueName=commands_queue(stack, "referrals"))["QueueUrl"]
    sqs.send_message(
        QueueUrl=queue, MessageBody="{}", MessageGroupId="a", MessageDeduplicationId="b"
    )
    formation.delete_stack(StackName=name)
    formation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    found = attributes(sqs, commands_queue(stack, "referrals"))
    assert found["ApproximateNumberOfMessages"] == "1"
    dynamodb.describe_table(TableName=f"{stack}-referrals-events")


def test_the_documentation_asks_for_the_capability_that_the_stacks_need() -> None:
    """Policies without names of their own need CAPABILITY_IAM, not CAPABILITY_NAMED_IAM."""
    for template in (*STACKS, WEB_STACK):
        assert not re.search(r"\b(?:Role|User|ManagedPolicy)Name:", template.read_text())
    for page in ("README.md", "docs/aws.md"):
        asked = re.findall(r"CAPABILITY_\w+", (ROOT / page).read_text())
        assert set(asked) == {"CAPABILITY_IAM"}, page


def test_ses_reports_everything_that_the_invites_service_records() -> None:
    (types,) = re.findall(r"MatchingEventTypes: \[(.*)\]", (DATA_STACKS / "mail.yaml").read_text())
    reported = {each.replace("renderingFailure", "rendering Failure") for each in types.split(", ")}
    assert {name[0].upper() + name[1:] for name in reported} == set(REPORTS)


def test_a_distribution_serves_the_pages(formation: Any, aws: str) -> None:
    stack = f"web-{uuid4().hex[:8]}"
    create(
        formation, WEB_STACK,
        Stack=stack, ApiDomain="api.vouch.example", WebUrl="https://app.vouch.example",
    )  # fmt: skip
    names = published(aws, stack)
    assert names.keys() == {"web/pages-bucket", "web/distribution-id", "web/distribution-domain"}
    found = client("cloudfront", aws).get_distribution_config(Id=names["web/distribution-id"])[
        "DistributionConfig"
    ]
    behaviours = {each["PathPattern"]: each for each in found["CacheBehaviors"]["Items"]}
    assert {each["TargetOriginId"] for each in behaviours.values()} == {"api"}
    assert "/v1/*" in behaviours
    assert found["DefaultCacheBehavior"]["TargetOriginId"] == "pages"


def _outputs(formation: Any, name: str) -> dict[str, str]:
    (described,) = formation.describe_stacks(StackName=name)["Stacks"]
    return {row["OutputKey"]: row["OutputValue"] for row in described["Outputs"]}
