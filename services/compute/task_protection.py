"""Protect this task of ECS from being ended by scaling or a deployment during an analysis."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog

_TIMEOUT: Final = aiohttp.ClientTimeout(total=3)
EXPIRES_MINUTES: Final = 720
"""Minutes after which ECS ends the protection of a task that hangs; each analysis extends it."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TaskProtection:
    """Ask the agent of ECS for protection while at least one analysis runs.

    An analysis runs whether it is protected or not: one that is interrupted is resumed.
    """

    session: aiohttp.ClientSession
    agent_uri: str
    """Address of the agent, which ECS sets as ECS_AGENT_URI; empty: not on ECS."""
    _analyses: int = 0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held during a request: the last one carries the current state."""

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Protect the task until the context, and every other one, has ended."""
        self._analyses += 1
        try:
            await self._ask()
            yield
        finally:
            self._analyses -= 1
            if not self._analyses:
                await self._ask()

    async def _ask(self) -> None:
        if not self.agent_uri:
            return
        async with self._asking:
            enabled = self._analyses > 0
            reason = await self._refusal(enabled=enabled)
        if reason is not None:
            log.warning("task_protection_refused", enabled=enabled, reason=reason)

    async def _refusal(self, *, enabled: bool) -> str | None:
        """Ask for protection, or for none; return why the agent refuses, None if it does not."""
        state: dict[str, bool | int] = {"ProtectionEnabled": enabled}
        if enabled:
            state["ExpiresInMinutes"] = EXPIRES_MINUTES
        url = f"{self.agent_uri}/task-protection/v1/state"
        try:
            async with self.session.put(url, json=state, timeout=_TIMEOUT) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        accepted = response.status == HTTPStatus.OK and _is_protection(text)
        return None if accepted else f"{response.status}: {text[:500]}"


def _is_protection(text: str) -> bool:
    """Return whether the agent describes a protection; it reports failures with status 200, too."""
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and "protection" in content
