"""Deploy, run, release and delete what docs/aws.md describes; report each step."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.bus.commands import commands_queue
from deploy.folders import GATEWAY, service_names
from deploy.local.cloud.journeys import Client, Differs, Gateway
from deploy.local.cloud.page import Deployment, steps
from deploy.local.cloud.stacks import Stacks, reversed_steps
from deploy.local.cloud.tasks import Agent
from deploy.local.demo_users import UserPool
from deploy.local.provision import client, published, wait_for
from deploy.local.rate_limits import raise_limits
from deploy.local.settings import LocalSettings

FIRST: Final = dict.fromkeys(service_names(), f"sha256:{'1' * 64}")
"""Service -> digest of the first image; the local AWS stores none."""
SECOND: Final = f"sha256:{'2' * 64}"
RELEASED: Final = "invites"
"""The service that is released while the others serve."""
UNHANDLED: Final = "referrals"
"""The service that is stopped before a command reaches it, so that the command waits."""
_ACCOUNTS: Final = 5
"""Accounts that the client opens before and after the release."""


def variables(domain: str) -> dict[str, str]:
    """Return the variables of the shell on the page."""
    return {
        "API_DOMAIN": domain,
        "MAIL_DOMAIN": "example.com",
        "MAIL_FROM": "hello@example.com",
        "ALARMS": "ops@example.com",
        "RUNBOOK": "https://vouch.example/runbook.md",
        "CERTIFICATE": "arn:aws:acm:eu-west-2:000000000000:certificate/local",
    }


@dataclass
class Report:
    """Print each step with what was observed."""

    number: int = 0
    began: float = field(default_factory=time.monotonic)

    def step(self, sentence: str, *observed: object) -> None:
        """Print a step that has succeeded."""
        self.number += 1
        print(f"{self.number:>3}. {sentence} ({time.monotonic() - self.began:.0f} s)", flush=True)
        for line in observed:
            print(f"     {line}", flush=True)


def play(settings: LocalSettings, *, other_order: bool = True) -> None:
    """Play everything on an AWS and a Redis that run already.

    Raises:
        Differs: something was not as expected.
        NotDeployed: a stack could not be created, updated or deleted.
        TaskFailed: a task did not start, become ready or stop as it should.
    """
    report = Report()
    agent = Agent(settings.aws_url, settings.stack, settings.redis_url, settings.state / "tasks")
    try:
        stacks = _create(report, settings, "in the order of docs/aws.md", _in_order())
        _serve(report, settings, agent)
        gateway = _gateway(settings, agent)
        token = _journeys(report, gateway)
        _release(report, stacks, agent, gateway, token)
        waiting = _leave_a_command(report, settings, agent, gateway)
        _delete(report, settings, stacks, waiting)
    finally:
        agent.kill_all()
    if other_order:
        _create_in_another_order(report, settings)


def deployments(domain: str = "api.example.com") -> list[list[Deployment]]:
    """Return the steps of the page with the first images."""
    return steps(variables(domain), FIRST)


def _in_order() -> list[Deployment]:
    return [deployment for step in deployments() for deployment in step]


def _create(
    report: Report, settings: LocalSettings, order: str, found: Iterable[Deployment]
) -> Stacks:
    stacks = Stacks(client("cloudformation", settings.aws_url), settings.stack)
    for deployment in found:
        stacks.deploy(deployment)
    names = published(settings.aws_url, settings.stack)
    report.step(
        f"Created {len(stacks.created)} stacks {order}",
        ", ".join(stacks.created),
        f"they publish {len(names)} names under /vouch/{settings.stack}/",
    )
    return stacks


def _serve(report: Report, settings: LocalSettings, agent: Agent) -> None:
    raise_limits(settings.redis_url, 1_000)  # the client has one address
    agent.start_all(service_names())
    report.step(
        "Started each ECS service from its task definition; /readyz of each answers 200",
        *(f"{task.definition.arn.rpartition('/')[2]}: {task.url}" for task in agent.tasks.values()),
    )


def _gateway(settings: LocalSettings, agent: Agent) -> Gateway:
    task = agent.tasks[GATEWAY]
    found = task.definition.environment
    people = UserPool(
        settings.aws_url,
        found["COGNITO_ISSUER"].rpartition("/")[2],
        found["COGNITO_CLIENT_IDS"],
        found["COGNITO_SERVICE_CLIENT_IDS"],
    )
    return Gateway(task.port, people, settings.aws_url)


def _journeys(report: Report, gateway: Gateway) -> str:
    token = gateway.open_account()
    report.step("A person signed up and opened an account: 201, then 200 with the same body")
    email = gateway.invite(token)
    report.step("The first invitation", f"SES accepted a mail to {email}")
    return token


def _release(report: Report, stacks: Stacks, agent: Agent, gateway: Gateway, token: str) -> None:
    """Release one service while a client uses the others."""
    before = {name: agent.definition_of(name) for name in service_names()}
    (changed,) = [each for each in _in_order() if each.name == RELEASED]
    with Client(gateway).running() as opening:
        _wait_for_accounts(opening, _ACCOUNTS)
        stacks.deploy(
            Deployment(
                changed.name, changed.template, {**changed.parameters, "ImageDigest": SECOND}
            )
        )
        email = "during-the-release@example.com"
        gateway.request_invitation(token, email)
        old, new = agent.replace(RELEASED)
        wait_for(f"the mail to {email}", lambda: gateway.has_mail(email), 90)
        _wait_for_accounts(opening, opening.accounts + _ACCOUNTS)
    after = {name: agent.definition_of(name) for name in service_names()}
    changed_services = [name for name in before if before[name] != after[name]]
    _expect("services with a new definition", [RELEASED], changed_services)
    _expect("the digest of the image", SECOND, new.definition.image.partition("@")[2])
    _expect("failed requests", [], opening.failures)
    report.step(
        f"Released {RELEASED} alone: updated its stack with a new digest, replaced its task",
        f"{old.definition.arn.rpartition('/')[2]} -> {new.definition.arn.rpartition('/')[2]}, "
        "the old task ended with exit code 0",
        f"meanwhile {opening.accounts} accounts were opened and read through the others, "
        f"{len(opening.failures)} requests failed",
        "an invitation that was accepted during the release was mailed",
    )


def _wait_for_accounts(opening: Client, count: int) -> None:
    wait_for("the client", lambda: opening.accounts >= count or bool(opening.failures), 90)


def _leave_a_command(
    report: Report, settings: LocalSettings, agent: Agent, gateway: Gateway
) -> dict[str, Any]:
    """Stop the services so that one accepted command waits; return what is stored then."""
    agent.stop(UNHANDLED)
    email = "waits@example.com"
    gateway.people.sign_up(email)
    status, _ = gateway.call("POST", "/v1/me", gateway.people.sign_in(email)["id"])
    _expect("the status of a command whose service is down", 202, status)
    stopped = [UNHANDLED, *agent.tasks]
    for service in tuple(agent.tasks):
        agent.stop(service)
    stored = _stored(settings)
    _expect("commands that wait", "1", stored["queue"])
    report.step(
        "Stopped all tasks: each ended with exit code 0 on SIGTERM",
        f"in this order: {', '.join(stopped)}; one command was accepted in between, and waits",
    )
    return stored


def _delete(
    report: Report, settings: LocalSettings, stacks: Stacks, before: dict[str, Any]
) -> None:
    deleted = stacks.delete_all()
    remaining = client("cloudformation", settings.aws_url).list_stacks()["StackSummaries"]
    left = [
        each["StackName"]
        for each in remaining
        if each["StackName"] in deleted and each["StackStatus"] != "DELETE_COMPLETE"
    ]
    _expect("stacks that are left", [], left)
    _expect("what is stored", before, _stored(settings))
    report.step(
        f"Deleted all {len(deleted)} stacks, and nothing that was stored is lost",
        *(f"{table}: {count} items" for table, count in before["tables"].items() if count),
        f"{commands_queue(settings.stack, UNHANDLED)}: {before['queue']} message",
        f"{before['people']} people, and the secrets {', '.join(before['secrets'])}",
    )


def _stored(settings: LocalSettings) -> dict[str, Any]:
    """Return counts of what must survive, and the keys."""
    aws, prefix = settings.aws_url, settings.stack
    dynamodb, sqs = client("dynamodb", aws), client("sqs", aws)
    url = sqs.get_queue_url(QueueName=commands_queue(prefix, UNHANDLED))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return {
        "tables": {
            table: dynamodb.scan(TableName=table, Select="COUNT")["Count"]
            for table in dynamodb.list_tables()["TableNames"]
            if table.startswith(f"{prefix}-")
        },
        "queue": queue["Attributes"]["ApproximateNumberOfMessages"],
        "people": _people(aws, prefix),
        "secrets": _secrets(aws, prefix),
    }


def _people(aws: str, prefix: str) -> int:
    cognito = client("cognito-idp", aws)
    pools = cognito.list_user_pools(MaxResults=60)["UserPools"]
    (pool,) = [each["Id"] for each in pools if each["Name"] == f"{prefix}-people"]
    pages = cognito.get_paginator("list_users").paginate(UserPoolId=pool)
    return sum(len(page["Users"]) for page in pages)


def _secrets(aws: str, prefix: str) -> dict[str, str]:
    manager = client("secretsmanager", aws)
    listed = manager.list_secrets()["SecretList"]
    names = sorted(each["Name"] for each in listed if each["Name"].startswith(f"/vouch/{prefix}/"))
    return {name: manager.get_secret_value(SecretId=name)["SecretString"] for name in names}


def _create_in_another_order(report: Report, settings: LocalSettings) -> None:
    other = settings.model_copy(update={"stack": f"{settings.stack}-again"})
    stacks = _create(
        report, other, "with those of each step in the opposite order",
        reversed_steps(deployments()),
    )  # fmt: skip
    report.step(f"Deleted all {len(stacks.delete_all())} of them again")


def _expect(what: str, expected: object, seen: object) -> None:
    if seen != expected:
        raise Differs(f"{what}: expected {expected!r}, saw {seen!r}")
