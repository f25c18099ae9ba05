"""Check that every handler has a route, and that the index lists every feature."""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, get_args
from unittest.mock import MagicMock

from aiohttp import web

from gateway import api
from gateway.http.responses import Response
from gateway.http.routing import RequestContext
from gateway.routes import ROUTES, bind

RESPONSES = {Response, web.StreamResponse}
MODULES = [import_module(f"gateway.api.{each.name}") for each in pkgutil.iter_modules(api.__path__)]


def handlers() -> Iterator[Callable[..., Any]]:
    """Yield the public methods of the features that return a response to a request."""
    for module in MODULES:
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ != module.__name__:
                continue
            for name, method in inspect.getmembers(cls, inspect.iscoroutinefunction):
                signature = inspect.signature(method)
                takes = [each.annotation for each in signature.parameters.values()][1:]
                returned = signature.return_annotation
                responds = RESPONSES & {returned, *get_args(returned)}
                if takes == [RequestContext] and responds and not name.startswith("_"):
                    yield method


def test_every_handler_has_a_route() -> None:
    served = {route.handle for route in ROUTES}
    unserved = {each.__qualname__ for each in handlers() if each not in served}
    assert unserved == set(), "add a Route to ROUTES of the module"


def test_the_index_lists_the_routes_of_every_feature() -> None:
    declared = [route for module in MODULES for route in getattr(module, "ROUTES", ())]
    assert {each.operation_id for each in declared} == {each.operation_id for each in ROUTES}


def test_every_route_is_bound_to_a_feature() -> None:
    bound = [each.route.operation_id for each in bind(MagicMock())]
    assert sorted(bound) == sorted(each.operation_id for each in ROUTES)
