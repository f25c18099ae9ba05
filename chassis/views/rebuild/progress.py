"""Report how far a rebuild has come."""

from dataclasses import dataclass

from chassis.views.rebuild.plan import COMPLETE, SCAN, Plan


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """Describe how far a rebuild has come, all processes that share it together."""

    name: str
    generation: int
    state: str
    """`scanning`, `verifying`, `complete`; or `paused`, `cancelled`, `failed`, `done`."""
    segments: int
    segments_done: int
    """Segments of the current pass that are done."""
    commits: int
    total: int
    """Commits in the log when the rebuild began, approximately: DynamoDB counts every six hours."""
    events: int
    gaps: int
    duplicates: int
    repaired: int
    """Streams that a sweep found lagging, and repaired."""
    seconds: float
    """Seconds of work as of the last checkpoint; a time without any process does not count."""
    switch: bool
    """Whether the generation is to be served once it is complete."""
    because: str = ""
    """Why the rebuild failed."""

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the scan ends; None if unknown."""
        if self.state != "scanning" or not self.commits or self.total <= self.commits:
            return None
        return (self.total - self.commits) * self.seconds / self.commits


def progress_of(name: str, plan: Plan) -> RebuildProgress:
    """Return the progress that a plan records."""
    state: str = plan.state
    if state == "running":
        state = {COMPLETE: "complete", SCAN: "scanning"}.get(plan.pass_number, "verifying")
    unfinished = 0 if plan.pass_number == COMPLETE else len(plan.unfinished_segments)
    return RebuildProgress(
        name=name,
        generation=plan.number,
        state=state,
        segments=plan.segments,
        segments_done=plan.segments - unfinished,
        commits=plan.counts["commits"],
        total=plan.counts["total"],
        events=plan.counts["events"],
        gaps=plan.counts["gaps"],
        duplicates=plan.counts["duplicates"],
        repaired=plan.counts["behind_ever"],
        seconds=plan.elapsed,
        switch=plan.switch,
        because=plan.because,
    )
