"""Follow the mails of one invitation from request to result (pure)."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, assert_never

from pydantic import Field

from contracts.invites import (
    InviteReminded,
    InviteResent,
    InviteSent,
    MailWithheld,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
)

MailingEvent = (
    InviteResent | InviteReminded
    | SendingStarted | InviteSent | MailWithheld | SendingPostponed | SendingFailed
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """Represent a mail that is requested and not being sent."""

    not_before: int = 0
    """UNIX seconds before which a postponed mail is not tried again."""
    retries: int = 0
    step: Literal["waiting"] = "waiting"


@dataclass(frozen=True, slots=True)
class Sending:
    """Represent a mail whose sending has started and has no result yet."""

    started_at: int
    retries: int = 0
    repeats: int = 0
    """Number of earlier starts in a row that have no result."""
    step: Literal["sending"] = "sending"


@dataclass(frozen=True, slots=True)
class Finished:
    """Represent a mail that was sent, withheld, or given up."""

    step: Literal["finished"] = "finished"


Progress = Waiting | Sending | Finished


@dataclass(frozen=True, slots=True)
class Mailing:
    """Hold the progress of the latest mail, and the results of earlier ones."""

    number: int = 1
    """Number of the mail requested last; results of earlier mails may still arrive."""
    progress: Annotated[Progress, Field(discriminator="step")] = field(default_factory=Waiting)
    finished: int = 0
    """Highest number of a mail that was sent, withheld, or given up."""
    token_generation: int = 1
    """Number of the mail that introduced the valid token; a reminder repeats that token."""
    token_hash: str | None = None
    """Digest of the valid token; None until a mail with it has been started."""
    unsubscribe_hash: str | None = None
    first_sent_at: int | None = None

    @property
    def is_reminder(self) -> bool:
        return self.number > self.token_generation


def evolve(mailing: Mailing, event: MailingEvent) -> Mailing:
    match event:
        case InviteResent():
            requested = _request(mailing, event.mail)
            return replace(requested, token_generation=event.mail, token_hash=None)
        case InviteReminded():
            return _request(mailing, event.mail)
        case SendingStarted():
            return replace(
                mailing,
                progress=_start(mailing.progress, event.started_at),
                token_hash=event.token_hash,
                unsubscribe_hash=event.unsubscribe_hash,
            )
        case InviteSent():
            first_sent_at = mailing.first_sent_at or event.sent_at
            return replace(_finish(mailing, event.mail), first_sent_at=first_sent_at)
        case MailWithheld() | SendingFailed():
            return _finish(mailing, event.mail)
        case SendingPostponed():
            return replace(mailing, progress=_postpone(mailing.progress, event.until))
        case _:
            assert_never(event)


def _request(mailing: Mailing, number: int) -> Mailing:
    """Wait for the mail with this number, unless its result is stored already."""
    progress = Waiting() if number > mailing.finished else Finished()
    return replace(mailing, number=number, progress=progress)


def _finish(mailing: Mailing, number: int) -> Mailing:
    """Store a result; one of an earlier mail does not stop the latest mail."""
    finished = max(mailing.finished, number)
    progress = mailing.progress if number < mailing.number else Finished()
    return replace(mailing, finished=finished, progress=progress)


def _start(progress: Progress, at: int) -> Progress:
    match progress:
        case Waiting():
            return Sending(at, progress.retries)
        case Sending():
            return Sending(at, progress.retries, progress.repeats + 1)
        case Finished():
            return progress
        case _:
            assert_never(progress)


def _postpone(progress: Progress, until: int) -> Progress:
    match progress:
        case Waiting() | Sending():
            return Waiting(until, progress.retries + 1)
        case Finished():
            return progress
        case _:
            assert_never(progress)
