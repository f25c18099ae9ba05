"""Project streams that could not be projected at first: pending and parked streams."""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from chassis.views.change import Target
from chassis.views.keys import control_key, parked_key, pending_key
from chassis.views.projector import Projector
from chassis.views.scripts import LuaScript
from contracts.messages import Event

E = TypeVar("E", bound=Event)

_REMOVE_IF_UNCHANGED: Final = LuaScript.load("chassis.views", "remove_if_unchanged.lua")


@dataclass(frozen=True, slots=True)
class Backlog(Generic[E]):
    """Project the streams that a projector has left behind."""

    projector: Projector[E]

    async def project_pending(self) -> int:
        """Project streams to which other fold versions have appended; return their number."""
        projector, redis = self.projector, self.projector.redis
        streams = 0
        generations = projector.writable(await redis.hgetall(control_key(projector.service)))
        for model in projector.models:
            key = pending_key(projector.service, model.name, model.version)
            for stream, version in (await redis.hgetall(key)).items():
                for name, number in generations:
                    if name == model.name:
                        target = Target(projector.service, model, number)
                        await projector.catch_up(target, stream.decode())
                # a later append may have recorded a higher version meanwhile: keep that one
                await _REMOVE_IF_UNCHANGED.run(redis, [key], [stream, version])
                streams += 1
        return streams

    async def retry_parked(self) -> int:
        """Try parked streams again; return how many of them could be projected now."""
        projector, redis = self.projector, self.projector.redis
        projected = 0
        control = await redis.hgetall(control_key(projector.service))
        for name, number in projector.writable(control):
            target = projector.target(name, number)
            for stream in await redis.hkeys(parked_key(projector.service, name, number)):
                if target is not None and await projector.catch_up(target, stream.decode()):
                    projected += await projector.parked.remove(name, number, stream.decode())
        return projected
