"""The installed FastStream has every private name that `faststream_internals` uses."""

import ast
import importlib
from pathlib import Path

import pytest

from faststream_sqs import SQSBroker, faststream_internals
from faststream_sqs.faststream_internals import parsers_of, serializer_of

TREE = ast.parse(Path(faststream_internals.__file__).read_text())
PRIVATE = [
    (node.module, alias.name)
    for node in ast.walk(TREE)
    if isinstance(node, ast.ImportFrom) and node.module and "._" in node.module
    for alias in node.names
]


@pytest.mark.parametrize(("module", "name"), PRIVATE)
def test_a_private_name_exists(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_every_imported_name_is_exported() -> None:
    functions = {"parsers_of", "serializer_of"}
    assert {name for _, name in PRIVATE} | functions == set(faststream_internals.__all__)


def test_the_private_attributes_of_a_broker_exist() -> None:
    broker = SQSBroker()
    assert parsers_of(broker) == (None, None)
    assert serializer_of(broker.config.broker_config) is not None
