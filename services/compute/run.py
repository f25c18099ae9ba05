"""Track one run of an analysis and carry out its commands."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from chassis.bus.command_handler import CommandHandler
from chassis.decide.decider import Rejected
from chassis.resilience.outage import is_outage
from compute.state import Analysis, Requested, Running
from contracts.compute import (
    ComputeCommand,
    ComputeEvent,
    RecordProgress,
    Step,
    analysis_stream,
)
from contracts.messages import Metadata

Handler = CommandHandler[Analysis, ComputeCommand, ComputeEvent]


class RunSuperseded(Exception):
    """Report that another worker continues this run, or that the run has ended."""


@dataclass(frozen=True, slots=True)
class Job:
    """Identify the analysis that a worker was asked to carry out."""

    chain_id: int
    token_address: str
    correlation_id: str

    @property
    def stream(self) -> str:
        return analysis_stream(self.chain_id, self.token_address)


@dataclass(slots=True)
class Run:
    """Hold the state of the analyses as this worker last saw it."""

    job: Job
    number: int
    analysis: Analysis
    _handler: Handler = field(repr=False)
    step: Step = "preparation"
    """What the worker is doing."""
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held while a command is carried out: progress is recorded next to the work."""

    @classmethod
    async def load(cls, job: Job, handler: Handler) -> "Run | None":
        """Load the active run of a job; None if no run is active."""
        analysis = await handler.repository.state(job.stream)
        if isinstance(analysis, Requested | Running):
            return cls(job, analysis.run, analysis, handler)
        return None

    async def execute(self, command: Callable[..., ComputeCommand], **fields: Any) -> None:
        """Carry out a command of this run under a fresh id and take over the new state.

        Raises:
            RunSuperseded: the domain rejected the command.
        """
        message = command(
            chain_id=self.job.chain_id,
            token_address=self.job.token_address,
            run=self.number,
            **fields,
        )
        metadata = Metadata(
            command_id=str(uuid.uuid4()), correlation_id=self.job.correlation_id, actor="compute"
        )
        async with self._writing:
            try:
                decision = await self._handler.execute(message, metadata)
            except Rejected as error:
                raise RunSuperseded(error.detail) from error
            self.analysis = decision.state

    async def _record_progress(self) -> None:
        try:
            await self.execute(RecordProgress, step=self.step)
        except Exception as error:
            if not is_outage(error):  # the next time repeats it, and the work waits for its end
                raise

    async def with_progress(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        """Do the work of the run, and record every so many seconds that it continues.

        Raises:
            RunSuperseded: another run has started; the work is cancelled.
        """
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({task}, timeout=seconds))[0]:
                await self._record_progress()
        finally:
            task.cancel()
            await asyncio.wait({task})
        task.result()
