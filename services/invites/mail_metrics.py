"""Count the mails of this process, and those that wait."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chassis.run.exposition import counter, gauge
from chassis.views.boards import Boards
from invites.boards import WAITING_BOARD

if TYPE_CHECKING:
    from prometheus_client.core import Metric

MAILS: Final[Counter[str]] = Counter(sent=0, postponed=0, withheld=0, given_up=0, unknown=0)
"""Result -> attempts of this process to send a mail."""


@dataclass(frozen=True, slots=True)
class MailMetrics:
    """Collect the results of this process, and the mails of all instances that wait."""

    boards: Boards
    clock: Callable[[], float] = time.time

    async def families(self) -> "Iterable[Metric]":
        """Return the metrics."""
        waiting, since = await self.boards.count_and_lowest(WAITING_BOARD)
        oldest = 0.0 if since is None else max(0.0, self.clock() - since)
        return (
            counter(
                "mails",
                "Mails by result: sent, postponed, withheld, given_up, or unknown to be repeated.",
                ["result"],
                [([result], count) for result, count in MAILS.items()],
            ),
            gauge(
                "mails_waiting", "Invitations whose mail has not been sent.", [], [([], waiting)]
            ),
            gauge(
                "mail_oldest_waiting_seconds",
                "Age of the oldest invitation whose mail has not been sent; 0 if there is none.",
                [],
                [([], oldest)],
            ),
        )
