"""Check that the description of the bus matches what the services declare and receive from."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from chassis.log.memory import MemoryEventStore
from chassis.run.assembly import assemble, subscribe
from chassis.run.resources import Resources
from chassis.run.service import Service
from contracts.subscription import members_of
from deploy.asyncapi import FILE, describe
from deploy.services import declared_services
from faststream_sqs import SQSBroker
from redis_batching.connection import connect
from tests.contracts.samples import SAMPLES

FROM_OUTSIDE = {"vouch-invites-feedback"}
"""SNS sends to this queue, in its own format."""


@pytest.mark.slow
@pytest.mark.parametrize("service", declared_services(), ids=lambda service: service.name)
async def test_a_service_receives_from_the_queues_that_are_described(
    service: Service[Any, Any, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVITES_KEY", "k" * 32)
    monkeypatch.setenv("REFERRALS_KEY", "k" * 32)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    broker = SQSBroker()
    redis = connect("redis://127.0.0.1:1/0")  # never contacted
    resources = Resources(redis, broker, lambda _name, codec: MemoryEventStore(codec))
    application = assemble(service, service.settings(stack="vouch"), resources)
    async with service.compose(application) as handlers:
        subscribe(application, handlers)
    subscribers: Any = broker.subscribers
    received = {subscriber.queue.name for subscriber in subscribers} - FROM_OUTSIDE
    prefix = f"vouch-{service.name}-"
    assert received == {queue for queue in describe()["channels"] if queue.startswith(prefix)}


@pytest.mark.parametrize("service", declared_services(), ids=lambda service: service.name)
def test_commands_are_described_on_the_queue_of_their_service(
    service: Service[Any, Any, Any, Any],
) -> None:
    channels = describe()["channels"]
    for command in (*members_of(service.commands), *service.sends):
        messages = channels[f"vouch-{command.service}-commands.fifo"]["messages"]
        assert command.__name__ in messages


def test_every_reference_leads_somewhere_and_samples_fit() -> None:
    document = json.loads(FILE.read_text())
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Any = Registry().with_resource("urn:bus", resource)
    names = document["components"]["messages"]
    for sample in SAMPLES:
        if (name := type(sample).__name__) in names:
            schema = {"$ref": f"urn:bus{names[name]['payload']['$ref']}"}
            Draft202012Validator(schema, registry=registry).validate(sample.model_dump(mode="json"))
    for channel in document["channels"].values():
        assert channel["messages"].keys() <= names.keys()
