"""Find read models of which Redis lost single keys, such as a board or all entries.

A sweep of heads compares versions only. It does not see that a shared read model has lost its
entries or a board, because the versions of its streams are in another key.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from chassis.views.change import Target
from chassis.views.generations import serving
from chassis.views.inspection import Inspection
from chassis.views.keys import board_key, control_key, shared_location
from chassis.views.projection import BoardMember, Ordering
from chassis.views.projector import Projector

SAMPLE: Final = 100
"""Entries of an ordering whose places on its boards are looked up in one check."""


@dataclass(slots=True)
class PartialLoss:
    """Find shared read models that lack a key which another of their keys requires."""

    projector: Projector[Any]
    _seen: set[str] = field(default_factory=set)
    """Hashes of served generations that existed, and are not known to be empty."""

    async def missing_hashes(self) -> list[str]:
        """Return the read models whose versions or entries have disappeared; one round trip."""
        targets = await self._targets()
        keys = [key for target in targets for key in _hashes(target)]
        replies = await self.projector.redis.execute_many([("EXISTS", key) for key in keys])
        present = {key for key, exists in zip(keys, replies, strict=True) if exists}
        missing = self._seen.intersection(keys) - present
        lost = []
        for target in targets:
            versions, entries = _hashes(target)
            if versions in missing or (entries in missing and await self._lacks_entries(target)):
                lost.append(target.model.name)
            else:
                missing -= {entries}  # every entry has been removed
        self._seen = present | missing
        return lost

    async def _lacks_entries(self, target: Target[Any]) -> bool:
        """Return whether a stream, among a random sample, should have entries."""
        versions, _ = _hashes(target)
        streams = await self.projector.redis.execute_command("HRANDFIELD", versions, SAMPLE)
        inspection = Inspection(self.projector)
        for stream in streams:
            if await inspection.differs(target, stream.decode()):
                return True
        return False

    async def missing_places(self) -> list[str]:
        """Return the orderings with entries, among a random sample, that are on no board."""
        return [
            target.model.name
            for target in await self._targets()
            if isinstance(target.model, Ordering) and await self._lacks_a_place(target)
        ]

    async def _lacks_a_place(self, target: Target[Any]) -> bool:
        redis, key = self.projector.redis, _location(target).data_key
        sample = await redis.execute_command("HRANDFIELD", key, SAMPLE)
        entries = await redis.hmget(key, sample) if sample else []
        for stream, entry in zip(sample, entries, strict=True):
            if entry is None:  # removed meanwhile
                continue
            for place in _places(target, stream.decode(), entry):
                board = board_key(key, place.board)
                if await redis.zscore(board, place.member) is None:
                    return await self._still_lacks(target, place)
        return False

    async def _still_lacks(self, target: Target[Any], place: BoardMember) -> bool:
        """Compare entry and board in one step: the entry may have left the board meanwhile."""
        key = _location(target).data_key
        pipe = self.projector.redis.pipeline(transaction=True)
        pipe.hget(key, place.member)
        pipe.zscore(board_key(key, place.board), place.member)
        entry, score = await pipe.execute()
        return entry is not None and score is None and place in _places(target, place.member, entry)

    async def _targets(self) -> list[Target[Any]]:
        """Return the served generations of shared read models."""
        projector = self.projector
        control = await projector.redis.hgetall(control_key(projector.service))
        found = [projector.target(each.name, each.number) for each in serving(control).values()]
        return [target for target in found if target is not None and target.model.shared]


def _location(target: Target[Any]) -> Any:
    return shared_location(target.service, target.model.name, target.generation, "")


def _hashes(target: Target[Any]) -> tuple[str, str]:
    location = _location(target)
    return location.version_key, location.data_key


def _places(target: Target[Any], stream: str, entry: bytes) -> list[BoardMember]:
    model: Any = target.model
    scores = model.scores(model.ref.view.model_validate_json(entry))
    return [BoardMember(board, stream) for board, score in scores.items() if score is not None]
