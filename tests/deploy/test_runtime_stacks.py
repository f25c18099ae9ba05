"""The runtime stacks run the images with every setting they need, in any promised order."""

import re
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from deploy.folders import GATEWAY, ROOT, event_sourced_names, service_names
from deploy.local.cloud.page import Deployment, NotOnThePage, steps
from deploy.local.cloud.play import FIRST, deployments, play, variables
from deploy.local.cloud.stacks import Stacks, declared_parameters, reversed_steps
from deploy.local.cloud.tasks import TaskDefinition, image_environment
from deploy.local.ports import unused_ports
from deploy.local.provision import NotDeployed, client, published
from deploy.local.settings import LocalSettings, settings_class
from tests.support.stack import redis_server

AWS: Final = ROOT / "deploy" / "aws"
READY: Final = {
    # the same everywhere, and right on AWS
    "aws_client", "log_format", "log_level", "max_workers", "receive_wait_seconds", "tick_seconds",
    "outcome_wait_seconds", "max_wait_seconds", "proof_of_work_bits", "refresh_token_days",
    "shutdown_seconds", "mail_quota_share", "mail_patience_seconds", "refresh_seconds",
    "max_transfers", "funders_of",
    # derived from STACK; others only after a restore
    "events_table", "meta_table",
    # the password is in the URL
    "redis_password_file",
    # of the image
    "web_directory",
    # empty unless an operator wants more than the stacks describe
    "cognito_extra_pools", "sign_in_client_id", "sign_up", "extra_chains", "mail_reply_to",
    "labels_file",
    # ECS sets it
    "ecs_agent_uri",
}  # fmt: skip
"""Settings whose defaults need no change on AWS; service.yaml has to set all others."""


def definition(service: str, aws: str, prefix: str) -> TaskDefinition:
    return TaskDefinition.registered(aws, f"{prefix}-{service}")


@pytest.fixture(scope="module")
def deployed(aws: str) -> str:
    """Return the prefix of the page's stacks, those of each step created in the opposite order."""
    prefix = f"page-{uuid4().hex[:8]}"
    stacks = Stacks(client("cloudformation", aws), prefix)
    for each in reversed_steps(deployments()):
        stacks.deploy(each)
    return prefix


def in_steps(name: str) -> Deployment:
    (found,) = [each for step in deployments() for each in step if each.name == name]
    return found


# ---- settings


@pytest.mark.parametrize("service", service_names())
def test_each_setting_is_set_or_has_a_default_that_is_right_on_aws(
    service: str, aws: str, deployed: str
) -> None:
    found = definition(service, aws, deployed)
    given = {*found.environment, *found.secrets, *image_environment()}
    settings = {name.upper() for name in settings_class(service).model_fields}
    assert settings - given == {name.upper() for name in READY} & settings - given


@pytest.mark.parametrize("service", service_names())
def test_nothing_is_set_that_the_service_does_not_read(
    service: str, aws: str, deployed: str
) -> None:
    found = definition(service, aws, deployed)
    settings = {name.upper() for name in settings_class(service).model_fields}
    assert {*found.environment, *found.secrets} - settings == {"AWS_REGION"}


def test_every_default_that_counts_as_right_is_one_of_a_setting() -> None:
    names = {name for service in service_names() for name in settings_class(service).model_fields}
    assert names >= READY


def test_a_secret_reaches_only_the_services_that_need_it(aws: str, deployed: str) -> None:
    found = {name: set(definition(name, aws, deployed).secrets) for name in service_names()}
    referrals = {"REFERRALS_KEY", "REFERRALS_EARLIER_KEYS"}
    assert found == {
        "gateway": {"REDIS_URL", *referrals},
        "referrals": {"REDIS_URL", *referrals},
        "invites": {"REDIS_URL", "INVITES_KEY", "INVITES_EARLIER_KEYS"},
        "compute": {"REDIS_URL", "CHAINS"},
    }


def test_one_secret_holds_the_complete_url_of_redis(aws: str, deployed: str) -> None:
    arn = definition("compute", aws, deployed).secrets["REDIS_URL"]
    value = client("secretsmanager", aws).get_secret_value(SecretId=arn)["SecretString"]
    assert re.fullmatch(r"rediss://vouch:\S{64}@[\w.-]+:6379/0", value, re.DOTALL)


# ---- the image


def dockerfile(pattern: str) -> list[str]:
    return re.findall(pattern, (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def template(name: str) -> str:
    return (AWS / f"{name}.yaml").read_text()


def test_user_ports_and_probe_are_those_of_the_image() -> None:
    text = template("service")
    assert dockerfile(r"^USER (\d+)$") == re.findall(r'User: "(\d+)"', text)
    (exposed,) = dockerfile(r"^EXPOSE (.+)$")
    assert re.findall(r"ContainerPort: (\d+), Protocol", text) == exposed.split()
    probe = "urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"
    assert probe in text
    assert dockerfile(re.escape(probe))


@pytest.mark.parametrize("service", service_names())
def test_a_port_that_is_set_is_the_one_of_the_image(service: str, aws: str, deployed: str) -> None:
    image, found = image_environment(), definition(service, aws, deployed).environment
    for name in ("HEALTH_PORT", "GATEWAY_PORT", "GATEWAY_INTERNAL_PORT"):
        assert found.get(name, image[name]) == image[name]


def test_the_only_folder_that_is_written_to_is_a_volume_of_the_image(
    aws: str, deployed: str
) -> None:
    """Otherwise it belongs to root on Fargate."""
    (volume,) = dockerfile(r"^VOLUME (\S+)$")
    assert f"ContainerPath: {volume}}}" in template("service")
    directory = definition("compute", aws, deployed).environment["COLUMNS_DIRECTORY"]
    assert Path(directory).is_relative_to(volume)


@pytest.mark.parametrize("service", service_names())
def test_a_task_may_take_as_long_as_its_service_takes_to_stop(
    service: str, aws: str, deployed: str
) -> None:
    allowed = definition(service, aws, deployed).stop_seconds
    assert allowed <= 120, "Fargate allows two minutes"
    if service == GATEWAY:
        shutdown = settings_class(service).model_fields["shutdown_seconds"].default
        assert allowed >= float(image_environment()["DRAIN_SECONDS"]) + shutdown + 5
    else:
        assert allowed >= 30, "docs/operations.md#stopping"


def test_the_process_itself_receives_the_signal() -> None:
    """A shell would not pass SIGTERM on."""
    assert 'CMD ["sh", "-c", "exec python -m ${SERVICE} run"]' in dockerfile(r"^CMD .*$")
    assert "Command: [CMD, python" in template("service")


# ---- the stacks


@pytest.mark.parametrize("path", sorted(AWS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_stack_imports_from_no_other_one_and_names_no_role(path: Path) -> None:
    text = path.read_text()
    assert "ImportValue" not in text
    assert "Export:" not in text
    assert not re.search(r"\b(?:RoleName|ManagedPolicyName):", text)
    assert text.count("{{resolve:") <= 60, "CloudFormation's limit for each template"


def publish(aws: str, prefix: str, names: dict[str, str]) -> None:
    ssm = client("ssm", aws)
    for name, value in names.items():
        ssm.put_parameter(Name=f"/vouch/{prefix}/{name}", Value=value, Type="String")


@pytest.mark.parametrize("name", ["network", "cache", "cluster", *service_names()])
def test_a_stack_is_created_alone_if_the_names_that_it_looks_up_are_published(
    name: str, aws: str, deployed: str
) -> None:
    prefix = f"alone-{uuid4().hex[:8]}"
    needed = set(re.findall(r"resolve:ssm:/vouch/\$\{Stack\}/([^}]*(?:\$\{Service\}[^}]*)?)\}\}",
                            in_steps(name).template.read_text()))  # fmt: skip
    names = published(aws, deployed)
    wanted = {each.replace("${Service}", name) for each in needed}
    publish(aws, prefix, {each: names[each] for each in wanted if each in names})
    Stacks(client("cloudformation", aws), prefix).deploy(in_steps(name))


def test_a_service_is_not_created_before_its_policy(aws: str) -> None:
    stacks = Stacks(client("cloudformation", aws), f"early-{uuid4().hex[:8]}")
    with pytest.raises(NotDeployed, match="ssm"):
        stacks.deploy(in_steps("compute"))


def test_several_shards_are_a_cluster_with_the_same_form_of_url(aws: str, deployed: str) -> None:
    prefix = f"shards-{uuid4().hex[:8]}"
    names = published(aws, deployed)
    network = {name: value for name, value in names.items() if name.startswith("network/")}
    publish(aws, prefix, network)
    cache = in_steps("cache")
    given = {**cache.parameters, "Shards": "3"}
    Stacks(client("cloudformation", aws), prefix).deploy(
        Deployment(cache.name, cache.template, given)
    )
    elasticache = client("elasticache", aws)
    (group,) = elasticache.describe_replication_groups(ReplicationGroupId=f"{prefix}-cache")[
        "ReplicationGroups"
    ]
    assert len(group["NodeGroups"]) == 3
    assert group["ConfigurationEndpoint"]["Address"]


def test_the_cache_evicts_nothing_and_demands_tls(aws: str, deployed: str) -> None:
    elasticache = client("elasticache", aws)
    (group,) = elasticache.describe_replication_groups(ReplicationGroupId=f"{deployed}-cache")[
        "ReplicationGroups"
    ]
    assert group["TransitEncryptionEnabled"]
    assert group["MultiAZ"] == "enabled"
    assert "maxmemory-policy: noeviction" in template("cache")


def test_a_new_digest_changes_one_service_only(aws: str, deployed: str) -> None:
    before = {name: definition(name, aws, deployed) for name in service_names()}
    stacks = Stacks(client("cloudformation", aws), deployed)
    stacks.created.append(f"{deployed}-referrals")
    page = in_steps("referrals")
    digest = f"sha256:{'3' * 64}"
    stacks.deploy(Deployment(page.name, page.template, {**page.parameters, "ImageDigest": digest}))
    after = {name: definition(name, aws, deployed) for name in service_names()}
    assert {name for name in before if before[name] != after[name]} == {"referrals"}
    assert after["referrals"].image.endswith(f"-referrals@{digest}")


@pytest.mark.parametrize("service", event_sourced_names())
def test_the_queue_whose_messages_roll_a_deployment_back_exists(
    service: str, aws: str, deployed: str
) -> None:
    """The local AWS stores no dimensions of alarms."""
    (queue,) = re.findall(r'Value: !Sub "([^"]*-dlq.fifo)"', template("service"))
    name = queue.replace("${Stack}", deployed).replace("${Service}", service)
    client("sqs", aws).get_queue_url(QueueName=name)


# ---- the page


def test_the_page_deploys_every_template() -> None:
    used = {each.template.relative_to(AWS) for step in deployments() for each in step}
    templates = {path.relative_to(AWS) for path in AWS.rglob("*.yaml")}
    assert templates - used == {Path("web.yaml")}
    services = [each.parameters["Service"] for step in deployments() for each in step
                if each.template.stem == "service"]  # fmt: skip
    assert sorted(services) == sorted(service_names())


def test_the_page_gives_only_parameters_that_the_templates_have() -> None:
    for step in deployments():
        for each in step:
            assert set(each.parameters) <= declared_parameters(each.template), each.name


def test_a_variable_without_a_value_is_reported() -> None:
    page = "```sh\ndeploy a b Certificate=$CERTIFICATES\n```\n"
    with pytest.raises(NotOnThePage, match="CERTIFICATES"):
        steps(variables("api.example.com"), FIRST, page)


@pytest.mark.timeout(420)
def test_what_the_page_describes_runs_is_released_and_is_deleted_without_loss(
    settings: LocalSettings, aws: str, tmp_path: Any
) -> None:
    (port,) = unused_ports(1)
    own = settings.model_copy(
        update={"stack": f"{settings.stack}-page", "redis_port": port, "state": tmp_path}
    )
    assert own.aws_url == aws
    with redis_server(own):
        play(own, other_order=False)  # `deployed` has another order
