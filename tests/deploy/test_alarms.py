"""Each alarm measures what exists, says why it pages, and leads to a section of the runbook."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import yaml
from botocore import xform_name
from botocore.session import get_session
from jmespath import search  # type: ignore[import-untyped]

from deploy import grafana
from deploy.alarm_stacks import alarm_stacks, calculates, dashboard_stack, description
from deploy.alarms import ALARM_TOPIC, ALL, PARAMETERS, SERVICES, WITHOUT_ALARM, Alarm, alarms
from deploy.folders import ROOT
from deploy.local.provision import client, wait_until_deployed
from tests.architecture.test_docs import anchors

ALARMS: Final = alarms()
STACKS: Final = alarm_stacks()
LOGS: Final = STACKS["alarms-logs"]
RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text()
WITHOUT: Final = "No alarm leads here"
BUDGET: Final = "costs"
"""The section of the budget, which is no alarm of CloudWatch."""
LEVELS: Final = {"debug", "info", "warning", "error", "exception"}
MAX_TEMPLATE_BYTES: Final = 51_200
"""A larger template needs a bucket to be deployed."""


class Loader(yaml.SafeLoader):
    """Read references of CloudFormation in their short form."""


def _reference(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_scalar(node)}  # type: ignore[arg-type]


Loader.add_multi_constructor("!", _reference)


def resources(text: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return logical id -> properties of the resources of a kind."""
    found: dict[str, Any] = yaml.load(text, Loader)["Resources"]  # noqa: S506  it is a safe loader
    return {key: each["Properties"] for key, each in found.items() if each["Type"] == kind}


def sections() -> dict[str, str]:
    """Return anchor -> text of each section of the runbook."""
    parts = re.split(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE)[1:]
    return {
        next(iter(anchors(f"## {title}"))): text
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


def logged() -> Iterator[tuple[str, str, Path]]:
    """Yield (event, level, file) of each call `log.<level>("event")` in the code that ships."""
    for folder in ("chassis", "libs", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            if "tests" not in path.parts:
                yield from ((*each, path) for each in _logged_in(path))


def _logged_in(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                args=[ast.Constant(value=str(event)), *_],
            ) if level in LEVELS:
                yield event, level


LOGGED: Final = list(logged())


def test_alarms_have_different_names() -> None:
    names = [alarm.name for alarm in ALARMS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_leads_to_a_section_of_the_runbook_and_says_why_it_pages(alarm: Alarm) -> None:
    assert alarm.section in sections()
    assert alarm.severity in {"page", "ticket"}
    assert alarm.because
    text = description(alarm)
    assert text.endswith(f"${{Runbook}}#{alarm.section}")
    assert len(text) < 1_000
    if not alarm.signals and not alarm.query:
        assert alarm.prometheus, "nothing measures it"


def test_each_section_of_the_runbook_belongs_to_an_alarm_or_says_that_none_leads_to_it() -> None:
    reached = {alarm.section for alarm in ALARMS} | {BUDGET}
    found = sections()
    assert {name for name, text in found.items() if WITHOUT not in text} == reached
    for name in reached:
        for part in ("**Users:**", "**Look:**", "**Do:**", "**Escalate**"):
            assert part in found[name], f"{name}: {part}"


def test_each_command_of_the_runbook_is_an_operators_command() -> None:
    verbs = set(re.findall(r"python -m \w+ ([a-z-]+)", RUNBOOK))
    operations = (ROOT / "docs" / "operations.md").read_text()
    for verb in verbs:
        assert re.search(rf"`(python -m \w+ )?{verb}\b|python -m \w+ {verb}\b", operations), verb


def test_each_event_that_an_alarm_or_the_runbook_names_is_written_by_the_code() -> None:
    written = {(event, level) for event, level, _ in LOGGED}
    events = {event for event, _ in written}
    composed = {"outage_ended", "task_recovered"}  # chosen by the kind of outage
    for alarm in ALARMS:
        for each in alarm.events:
            levels = {level for event, level in written if event == each.name}
            assert levels
            assert not each.level or each.level in levels
    queries = re.findall(r"event (?:=|in) (\[[^]]*\]|\"\w+\")", RUNBOOK)
    named = {name for query in queries for name in re.findall(r'"(\w+)"', query)}
    assert named
    assert named <= events | composed


def test_each_event_at_level_error_has_an_alarm_or_is_seen_by_another_one() -> None:
    counted = {each.name for alarm in ALARMS for each in alarm.events}
    errors = {event for event, level, _ in LOGGED if level in {"error", "exception"}}
    assert errors - counted == set(WITHOUT_ALARM)
    for reason in WITHOUT_ALARM.values():
        assert reason.partition(":")[0] in sections()


@pytest.mark.parametrize(
    "alarm", [alarm for alarm in ALARMS if alarm.events], ids=lambda alarm: alarm.name
)
def test_the_logs_of_each_service_that_can_write_an_event_are_searched(alarm: Alarm) -> None:
    for each in alarm.events:
        for event, _, path in LOGGED:
            if event == each.name:
                assert set(_writers(path)) <= set(alarm.services), f"{event}: {path}"


def _writers(path: Path) -> tuple[str, ...]:
    """Return the services in which the code of a file certainly runs."""
    top, *folders = path.relative_to(ROOT).parts
    if top == "services":
        return (folders[0],)
    if folders[0] == "resilience":
        return ALL
    if path.name in {"outcomes.py", "subscription.py", "keys.py", "limiter.py", "revocations.py"}:
        return ("gateway",)
    return SERVICES


def test_an_alarm_of_logs_counts_its_events_at_its_level() -> None:
    filters = resources(LOGS, "AWS::Logs::MetricFilter")
    assert filters["OperatorNeededInReferrals"]["FilterPattern"] == (
        '{ ($.event = "outage_started" && $.level = "error") }'
    )
    metrics = {each["MetricTransformations"][0]["MetricName"] for each in filters.values()}
    found = resources(LOGS, "AWS::CloudWatch::Alarm")
    assert metrics == {each["MetricName"] for each in found.values()}
    assert all(len(each["FilterPattern"]) <= 1_024 for each in filters.values())


def test_only_alarms_that_page_report_their_end() -> None:
    for text in STACKS.values():
        for properties in resources(text, "AWS::CloudWatch::Alarm").values():
            pages = "-page-" in properties["AlarmName"]["Fn::Sub"]
            assert ("OKActions" in properties) == pages


@pytest.mark.parametrize("text", [*STACKS.values(), dashboard_stack()])
def test_a_template_is_deployed_without_a_bucket(text: str) -> None:
    assert len(text.encode()) <= MAX_TEMPLATE_BYTES


def test_the_dashboard_shows_every_alarm_and_what_it_measures() -> None:
    (dashboard,) = resources(dashboard_stack(), "AWS::CloudWatch::Dashboard").values()
    body = json.loads(dashboard["DashboardBody"]["Fn::Sub"])
    status, *graphs = body["widgets"]
    shown = {arn.rpartition(":")[2] for arn in status["properties"]["alarms"]}
    made = {
        each["AlarmName"]["Fn::Sub"]
        for text in STACKS.values()
        for each in resources(text, "AWS::CloudWatch::Alarm").values()
    }
    assert made - shown == {"${Stack}-ticket-mail-quota"}  # exists only if a quota is given
    assert shown < made
    metrics = [each for graph in graphs for each in graph["properties"]["metrics"]]
    names = {each[1] for each in metrics if isinstance(each[0], str)}
    assert names == {signal.name for alarm in ALARMS for signal in alarm.signals}


def test_each_graph_of_grafana_links_to_the_runbook_or_shows_what_processes_do() -> None:
    panels = [each for each in json.loads(grafana.dashboard())["panels"] if each["type"] != "row"]
    linked = [each["links"][0]["url"] for each in panels if "links" in each]
    assert {url.partition("#")[2] for url in linked} <= sections().keys()
    assert len(linked) == len({alarm.prometheus for alarm in ALARMS if alarm.prometheus})
    assert len(panels) == len(linked) + len(grafana.TRAFFIC)


def test_each_shell_command_of_the_runbook_can_be_read_by_a_shell() -> None:
    for block in re.findall(r"^```\n(.*?)^```$", RUNBOOK, re.DOTALL | re.MULTILINE):
        subprocess.run(["/bin/bash", "-n"], input=block, text=True, check=True)


def test_each_command_of_the_aws_command_line_is_an_operation_of_aws() -> None:
    commands = set(re.findall(r"\baws ([a-z0-9]+) ([a-z0-9-]+)", RUNBOOK))
    loader = get_session()
    for service, operation in commands:
        names = loader.get_service_model(service).operation_names
        assert operation in {xform_name(name, "-") for name in names}, f"{service} {operation}"


def test_the_query_of_the_runbook_prints_the_fields_of_a_line() -> None:
    (query,) = re.findall(r'--query "(results.*)" --output', RUNBOOK)
    line = [{"field": "event", "value": "a"}, {"field": "@ptr", "value": "x"}]
    assert search(query, {"results": [[*line, {"field": "n", "value": "2"}]]}) == ["a  2"]


@pytest.mark.stack
def test_the_stacks_are_created_and_find_what_other_stacks_publish(aws: str) -> None:
    """Except for alarms that calculate, which the local AWS cannot."""
    stack = f"alarms-{uuid4().hex[:8]}"
    ssm, logs = client("ssm", aws), client("logs", aws)
    topic, queue = topic_with_queue(aws, stack)
    for name in PARAMETERS:
        value = topic if name == ALARM_TOPIC else f"the-{name.replace('/', '-')}"
        ssm.put_parameter(Name=f"/vouch/{stack}/{name}", Value=value, Type="String")
    for service in ALL:
        logs.create_log_group(logGroupName=f"/vouch/{stack}/{service}")
    formation = client("cloudformation", aws)
    for kind, text in [*STACKS.items(), ("dashboard", dashboard_stack())]:
        name = f"{stack}-{kind}"
        formation.create_stack(
            StackName=name,
            TemplateBody=text,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in (("Stack", stack), ("Calculations", "false"))
                if f"\n  {key}:\n" in text
            ],
        )
        wait_until_deployed(formation, name)
    watch = client("cloudwatch", aws)
    pages = watch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack}-")
    found = {each["AlarmName"]: each for page in pages for each in page["MetricAlarms"]}
    single = [each for each in ALARMS if each.signals and not each.only_if and not calculates(each)]
    assert found.keys() == {f"{stack}-{each.severity}-{each.name}" for each in single}
    filters = logs.describe_metric_filters(logGroupName=f"/vouch/{stack}/gateway")["metricFilters"]
    assert len(filters) == sum("gateway" in each.services for each in ALARMS)
    assert json.loads(watch.get_dashboard(DashboardName=stack)["DashboardBody"])["widgets"]
    watch.set_alarm_state(
        AlarmName=f"{stack}-page-server-errors", StateValue="ALARM", StateReason="this is a test"
    )
    received = client("sqs", aws).receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert "docs/runbook.md#server-errors" in received[0]["Body"]


def topic_with_queue(aws: str, name: str) -> tuple[str, str]:
    """Return the ARN of a new topic, and the URL of a queue that receives its messages."""
    sns, sqs = client("sns", aws), client("sqs", aws)
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    return topic, queue
