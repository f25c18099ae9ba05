"""Order on FIFO queues, whatever fails: groups x failures x delays x two consumers x restarts."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faststream_sqs import SQSBroker
from faststream_sqs.tests.scripted import InProcessSession, SQSModel
from faststream_sqs.tests.warp import warp

QUEUE = "jobs.fifo"
FAULTS = ("throttled", "reset", "dropped", "entries", "slow")
OPERATIONS = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")


@dataclass(frozen=True)
class Job:
    """One message: how often its handler fails and how long it takes."""

    group: int
    failures: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What is done to the consumers."""

    jobs: list[Job]
    workers: int
    prefetch: int
    retry_delay: int
    faults: list[tuple[str, str]]
    restarts: list[tuple[int, float, bool]]


JOBS = st.lists(
    st.builds(
        Job,
        group=st.integers(0, 3),
        failures=st.integers(0, 2),
        seconds=st.sampled_from([0.0, 0.3, 4.0, 25.0]),
    ),
    min_size=1,
    max_size=25,
)
PLANS = st.builds(
    Plan,
    jobs=JOBS,
    workers=st.integers(1, 4),
    prefetch=st.sampled_from([1, 3, 10]),
    retry_delay=st.sampled_from([0, 2]),
    faults=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(FAULTS)), max_size=6),
    restarts=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([0.5, 3.0, 20.0]), st.booleans()), max_size=3
    ),
)


@dataclass
class Witness:
    """What the handlers saw."""

    left: dict[int, int]
    done: dict[int, list[int]] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    overlaps: int = 0


@pytest.mark.slow
@settings(max_examples=60, derandomize=True)
@given(plan=PLANS)
def test_each_group_succeeds_in_order_and_nothing_is_lost(plan: Plan) -> None:
    warp(lambda: _play(plan))


async def _play(plan: Plan) -> None:
    model = SQSModel()
    model.create(QUEUE, VisibilityTimeout=12)
    _script(model, plan.faults)
    witness = Witness({number: job.failures for number, job in enumerate(plan.jobs)})
    consumers = [_consumer(model, plan, witness) for _ in range(2)]
    for number, job in enumerate(plan.jobs):
        model.put(QUEUE, str(number), f"g{job.group}")
    for consumer in consumers:
        await consumer.start()
    for which, after, hasty in plan.restarts:
        await asyncio.sleep(after)
        consumers[which].config.broker_config.graceful_timeout = None if hasty else 5.0
        await consumers[which].stop()
        await consumers[which].start()
    await model.until(lambda: not model.bodies(QUEUE))
    for consumer in consumers:
        await consumer.stop()
    _judge(plan, witness)


def _consumer(model: SQSModel, plan: Plan, witness: Witness) -> SQSBroker:
    broker = SQSBroker(session=InProcessSession(model), logger=None)

    @broker.subscriber(
        QUEUE,
        max_workers=plan.workers,
        max_messages=plan.prefetch,
        retry_delay=plan.retry_delay,
        wait_time_seconds=2,
    )
    async def handle(number: int) -> None:
        job = plan.jobs[number]
        witness.overlaps += job.group in witness.running
        witness.running.add(job.group)
        try:
            await asyncio.sleep(job.seconds)
        finally:
            witness.running.discard(job.group)
        if witness.left[number]:
            witness.left[number] -= 1
            raise ValueError(number)
        witness.done.setdefault(job.group, []).append(number)

    return broker


def _script(model: SQSModel, faults: list[tuple[str, str]]) -> None:
    for operation, fault in faults:
        if fault == "throttled":
            model.fail(operation, "RequestThrottled")
        elif fault == "reset":
            model.reset(operation)
        elif fault == "dropped":
            model.drop_reply(operation)
        elif fault == "slow":
            model.slow(operation, 1.5)
        else:
            model.fail_entries(operation, 0, 1)


def _judge(plan: Plan, witness: Witness) -> None:
    assert witness.overlaps == 0
    for group, done in witness.done.items():
        sent = [number for number, job in enumerate(plan.jobs) if job.group == group]
        assert sorted(set(done)) == sent
        # a repeated success may follow its like, never a later message of its group
        assert all(earlier <= later for earlier, later in pairwise(done))
    assert sum(len(set(done)) for done in witness.done.values()) == len(plan.jobs)
