"""Name the streams of the event log: one category per aggregate, one stream per key."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class StreamCategory:
    """Build and read the ids of one kind of stream, `<category>-<key>`."""

    name: str

    def stream(self, key: str) -> str:
        """Return the id of the stream with this key."""
        return f"{self.name}-{key}"

    def key(self, stream: str) -> str:
        """Return the key of a stream of this category.

        Raises:
            ValueError: the stream belongs to another category.
        """
        if stream not in self:
            raise ValueError(f"{stream} is not a stream of the category {self.name}")
        return stream[len(self.name) + 1 :]

    def __contains__(self, stream: str) -> bool:
        return stream.startswith(f"{self.name}-")


MEMBERS: Final = StreamCategory("member")
"""One stream per account: a person's or a campaign's. Key: the member id."""
UNKNOWN_CODES: Final = StreamCategory("nobody")
"""Streams that never receive an event. Key: a referral code that does not exist."""
BOARD_DAYS: Final = StreamCategory("board")
"""One stream per leaderboard and closed day. Key: `<board>.<day>`."""
INVITATIONS: Final = StreamCategory("invite")
"""One stream per invitation. Key: the invitation id."""
INVITERS: Final = StreamCategory("inviter")
"""One stream per person who may invite. Key: the member id."""
SUPPRESSIONS: Final = StreamCategory("suppression")
"""One stream per address that receives no mail. Key: the keyed digest of the address."""
ANALYSES: Final = StreamCategory("analysis")
"""One stream per analysed token. Key: `<chain id>-<token address>`."""
