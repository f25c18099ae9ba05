"""The files that list the services are generated from the declarations, and are up to date."""

from pathlib import Path

import pytest

from contracts.registry import SERVICES, SUBSCRIPTIONS
from deploy.folders import event_sourced_names
from deploy.generate import generated
from deploy.services import declared_services

GENERATED = generated()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert path.read_text() == GENERATED[path], f"{path.name} is out of date: run `make generate`"


def test_the_registry_lists_each_service() -> None:
    assert set(SERVICES) == set(event_sourced_names()), "complete contracts/registry.py"
    declared = {service.subscription for service in declared_services()} - {None}
    assert set(SUBSCRIPTIONS) == declared, "complete contracts/registry.py"


def test_each_service_is_declared_under_the_name_of_its_folder() -> None:
    assert tuple(service.name for service in declared_services()) == event_sourced_names()
