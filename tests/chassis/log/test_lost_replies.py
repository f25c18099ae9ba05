"""If a write arrives and its reply is lost, the SDK's retry finds its own commit."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import Conflict, Head, Origin
from tests.chassis.events import Counted, Named
from tests.chassis.stores import CLIENTS, dynamodb_client, dynamodb_store
from tests.support.aws_proxy import AwsProxy, aws_proxy

pytestmark = pytest.mark.stack


def origin() -> Origin:
    return Origin(str(uuid4()), "body", "correlation", 1_800_000_000_000)


@pytest.fixture(scope="module")
async def dropper(aws: str) -> AsyncIterator[AwsProxy]:
    async with aws_proxy(aws) as dropper:
        yield dropper


@pytest.fixture(scope="module", params=CLIENTS)
async def through(
    request: pytest.FixtureRequest,
    aws_account: str,
    dropper: AwsProxy,
    dynamodb: Any,  # noqa: ARG001  creates the tables
) -> AsyncIterator[DynamoDBEventStore[Counted | Named]]:
    async with dynamodb_client(dropper.url, aws_account) as client:
        yield dynamodb_store(CLIENTS[request.param](client))


@pytest.mark.parametrize("losses", [1, 2])
@pytest.mark.parametrize("claims", [False, True])
async def test_a_lost_reply_leads_to_one_commit(
    through: DynamoDBEventStore[Counted | Named],
    dropper: AwsProxy,
    losses: int,
    claims: bool,  # noqa: FBT001  pytest passes by name
) -> None:
    stream = f"counter-{uuid4()}"
    dropper.lose(losses, "PutItem", "TransactWriteItems")
    wanted: Any = [f"name#{stream}"] if claims else []
    commit = await through.append(Head(stream, 0), [Counted(by=1)] * 2, origin(), claims=wanted)
    assert dropper.lost == losses
    assert (await through.load(stream)).commits == (commit,)


async def test_a_retry_after_a_lost_reply_still_detects_another_writer(
    through: DynamoDBEventStore[Counted | Named], dropper: AwsProxy
) -> None:
    stream = f"counter-{uuid4()}"
    await through.append(Head(stream, 0), [Counted(by=1)], origin())
    dropper.lose(1, "PutItem")
    with pytest.raises(Conflict):
        await through.append(Head(stream, 0), [Counted(by=1)], origin())
    assert len((await through.load(stream)).commits) == 1
