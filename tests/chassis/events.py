"""Commands, events and a decider of counters, to test the chassis without a product."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from chassis.decide.decider import Decider, DecisionContext, Rejected
from chassis.log.codec import Codec
from contracts.messages import Command, Event, View


class Count(Command):
    service: ClassVar[str] = "counting"
    type: Literal["Count"] = "Count"
    counter: str
    by: int = 1

    @property
    def stream(self) -> str:
        return f"counter-{self.counter}"


class TakeName(Command):
    service: ClassVar[str] = "counting"
    type: Literal["TakeName"] = "TakeName"
    counter: str
    name: str | None = None
    """None: a random one is drawn."""

    @property
    def stream(self) -> str:
        return f"counter-{self.counter}"


CounterCommand = Annotated[Count | TakeName, Field(discriminator="type")]


class Counted(Event):
    schema_version: ClassVar[int] = 2
    type: Literal["Counted"] = "Counted"
    by: int


class Named(Event):
    type: Literal["Named"] = "Named"
    name: str


CounterEvent = Annotated[Counted | Named, Field(discriminator="type")]


class CounterView(View):
    total: int = 0
    events: int = 0
    name: str | None = None


def decide(
    total: int, command: Count | TakeName, context: DecisionContext
) -> list[Counted | Named]:
    match command:
        case Count(by=0):
            return []
        case Count(by=by) if total + by < 0:
            raise Rejected("a counter does not go below zero", code="below_zero")
        case Count(by=by) if by > 1:
            return [Counted(by=1) for _ in range(by)]
        case Count(by=by):
            return [Counted(by=by)]
        case TakeName(name=name):
            return [Named(name=name or context.entropy.hex())]


def evolve(total: int, event: Counted | Named) -> int:
    return total + event.by if isinstance(event, Counted) else total


def claims(event: Counted | Named) -> tuple[str, ...]:
    return (f"name#{event.name}",) if isinstance(event, Named) else ()


def fold(view: CounterView | None, event: Counted | Named) -> CounterView:
    view = view or CounterView()
    match event:
        case Counted(by=by):
            return view.model_copy(update={"total": view.total + by, "events": view.events + 1})
        case Named(name=name):
            return view.model_copy(update={"name": name, "events": view.events + 1})


COUNTER = Decider(0, decide, evolve, claims)
CODEC: Codec[Counted | Named] = Codec(
    CounterEvent, upcasters={("Counted", 1): lambda payload: {"by": payload["amount"]}}
)
