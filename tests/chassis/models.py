"""Read models of the counters, and an independent fold to compare them with."""

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
    """Name generations in the control hash, without building them."""
    await redis.hset(control_key(SERVICE), mapping=generations)


async def fold_log(store: EventStore[Any], stream: str) -> CounterView | None:
    """Fold the log without the code under test."""
    view = None
    for commit in (await store.load(stream)).commits:
        for event in commit.events:
            view = fold(view, event)
    return view


__all__ = ["COUNTERS", "MODELS", "NAMES", "SERVICE", "ReadModelsLost", "fold_log", "read", "serve"]
