"""Check that each command and event is part of the service that its contract module belongs to."""

import ast

import pytest

from contracts.messages import Command, Event
from contracts.registry import SUBSCRIPTIONS
from contracts.subscription import members_of
from deploy.folders import ROOT
from deploy.services import declared_services
from tests.contracts.samples import message_classes

SERVICES = {service.name: service for service in declared_services()}
COMMANDS = {cls.__name__: cls for cls in message_classes() if issubclass(cls, Command)}
EVENTS = {cls.__name__: cls for cls in message_classes() if issubclass(cls, Event)}


def constructed() -> set[str]:
    """Return the names of everything in services/ that is called or given to a call."""
    return {
        part.attr if isinstance(part, ast.Attribute) else part.id
        for path in (ROOT / "services").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and "isinstance" not in ast.dump(node.func)
        for part in (node.func, *node.args, *(keyword.value for keyword in node.keywords))
        if isinstance(part, ast.Name | ast.Attribute)
    }


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_in_the_union_of_its_service(name: str) -> None:
    command = COMMANDS[name]
    assert command.service in SERVICES, "no service of this name is declared"
    assert command in members_of(SERVICES[command.service].commands), (
        f"add {name} to the union of commands in {command.__module__}"
    )


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_an_event_is_in_the_log_of_one_service(name: str) -> None:
    event = EVENTS[name]
    owners = [service.name for service in SERVICES.values() if service.codec.knows(event)]
    assert len(owners) == 1, f"add {name} to the union of events in {event.__module__}"


def test_every_subscription_is_registered() -> None:
    declared = {service.subscription for service in SERVICES.values()} - {None}
    assert declared == set(SUBSCRIPTIONS), "list the subscription in contracts/registry.py"


@pytest.mark.slow
def test_every_command_is_sent_by_a_service() -> None:
    assert COMMANDS.keys() <= constructed(), "these commands have no route and no sender"


@pytest.mark.slow
def test_every_event_is_the_result_of_a_decision() -> None:
    assert EVENTS.keys() <= constructed(), "no decision returns these events"
