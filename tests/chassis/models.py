"""Read models of the counters, and how to read and fold them independently."""

from collections.abc import Mapping
from typing import Any

from chassis.log.event_store import EventStore
from chassis.views.keys import control_key
from chassis.views.projection import Index, Projection
from chassis.views.read_models import ReadModels, ReadModelsLost
from contracts.read_models import DocumentRef, IndexRef
from tests.chassis.events import Counted, CounterView, Named, fold


def names(event: Counted | Named) -> Mapping[str, str | None]:
    return {event.name: "taken"} if isinstance(event, Named) else {}


SERVICE = "counting"
COUNTER_VIEWS = DocumentRef(SERVICE, "counters", CounterView)
NAME_OWNERS = IndexRef(SERVICE, "names")
COUNTERS = Projection(COUNTER_VIEWS, fold)
NAMES = Index(NAME_OWNERS, names)
MODELS = (COUNTERS, NAMES)


async def read(redis: Any, stream: str) -> CounterView | None:
    document = await ReadModels(redis).document(COUNTER_VIEWS, stream)
    return None if document is None else CounterView.model_validate_json(document.body)


async def serve(redis: Any, **generations: int) -> None:
    """Declare generations as a rebuild would, without building them."""
    await redis.hset(control_key(SERVICE), mapping=generations)


async def expected(store: EventStore[Any], stream: str) -> CounterView | None:
    """The fold of the log, without any of the machine that projects it."""
    view = None
    for commit in (await store.load(stream)).commits:
        for event in commit.events:
            view = fold(view, event)
    return view


__all__ = ["COUNTERS", "MODELS", "NAMES", "SERVICE", "ReadModelsLost", "expected", "read", "serve"]
