"""The description of the bus is the bus: what services declare, and what they really listen to."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from chassis.run.service import Resources
from compute.app import application as compute
from compute.settings import Settings as ComputeSettings
from contracts.compute import ComputeCommand
from contracts.invites import InviteCommand
from contracts.referrals import ReferralCommand
from contracts.subscription import members_of
from deploy.asyncapi import FILE, describe, text
from faststream_sqs import SQSBroker
from invites.app import application as invites
from invites.settings import Settings as InvitesSettings
from redis_batching.connection import connect
from referrals.app import application as referrals
from referrals.settings import Settings as ReferralsSettings
from tests.contracts.samples import SAMPLES

OUTSIDE = {"vouch-invites-feedback"}
"""Filled by SNS, in its own words."""


def test_the_file_is_what_the_services_declare() -> None:
    assert FILE.read_text() == text(), "python -m deploy.asyncapi writes it anew"


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (referrals, ReferralsSettings()),
        (invites, InvitesSettings(invites_key=SecretStr("k" * 32))),
        (compute, ComputeSettings()),
    ],
    ids=["referrals", "invites", "compute"],
)
async def test_a_service_listens_to_the_queues_that_are_described(make: Any, settings: Any) -> None:
    broker = SQSBroker()
    nothing: Any = None
    redis = connect("redis://127.0.0.1:1/0")  # never asked
    application = make(settings, Resources(nothing, redis, broker))
    subscribers: Any = broker.subscribers
    listens = {subscriber.queue.name for subscriber in subscribers} - OUTSIDE
    name = application.definition.name
    described = {queue for queue in describe()["channels"] if queue.startswith(f"vouch-{name}-")}
    assert listens == described


def test_the_gateway_sends_only_what_is_described() -> None:
    channels = describe()["channels"]
    for command in members_of(ReferralCommand | InviteCommand | ComputeCommand):
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
