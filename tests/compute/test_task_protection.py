"""A task is protected exactly while an analysis runs, as the agent of ECS sees it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from compute.task_protection import EXPIRES_MINUTES, TaskProtection

ON = {"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MINUTES}
OFF = {"ProtectionEnabled": False}


@dataclass
class Agent:
    """Answer as the agent of ECS does, or as a test says."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    answer: Any = field(default_factory=lambda: {"protection": {"TaskArn": "arn"}})
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    """Requests wait for it."""

    async def put(self, request: web.Request) -> web.Response:
        await self.passing.wait()
        self.asked.append(await request.json())
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
def agent() -> Agent:
    agent = Agent()
    agent.passing.set()
    return agent


@pytest.fixture
async def protection(agent: Agent) -> AsyncIterator[TaskProtection]:
    app = web.Application()
    app.router.add_put("/api/123/task-protection/v1/state", agent.put)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield TaskProtection(session, str(server.make_url("/api/123")))


async def test_a_task_is_protected_during_an_analysis(
    agent: Agent, protection: TaskProtection
) -> None:
    async with protection.held():
        assert agent.asked == [ON]
    assert agent.asked == [ON, OFF]


async def test_it_is_protected_until_the_last_analysis_ends_and_each_one_extends_it(
    agent: Agent, protection: TaskProtection
) -> None:
    async with protection.held():
        async with protection.held():
            pass
        assert agent.asked == [ON, ON]
    assert agent.asked == [ON, ON, OFF]


async def test_it_ends_with_an_analysis_that_fails(
    agent: Agent, protection: TaskProtection
) -> None:
    with pytest.raises(LookupError):
        async with protection.held():
            raise LookupError
    assert agent.asked == [ON, OFF]


async def test_an_analysis_that_begins_while_protection_ends_is_protected(
    agent: Agent, protection: TaskProtection
) -> None:
    first = protection.held()
    await first.__aenter__()
    agent.passing.clear()
    ending = asyncio.create_task(first.__aexit__(None, None, None))
    await asyncio.sleep(0)
    second = protection.held()
    beginning = asyncio.create_task(second.__aenter__())
    await asyncio.sleep(0)
    agent.passing.set()
    await asyncio.gather(ending, beginning)
    assert agent.asked[-1] == ON
    await second.__aexit__(None, None, None)
    assert agent.asked[-1] == OFF


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"failure": {"Arn": "arn", "Reason": "DEPLOYMENT_BLOCKED"}}),
        (400, {"error": {"Code": "AccessDeniedException"}}),
        (500, "not an object"),
    ],
)
async def test_a_refusal_is_logged_and_the_analysis_runs(
    agent: Agent, protection: TaskProtection, status: int, answer: Any
) -> None:
    agent.status, agent.answer = status, answer
    with structlog.testing.capture_logs() as logs:
        async with protection.held():
            ran = True
    assert ran
    assert [each["event"] for each in logs] == ["task_protection_refused"] * 2
    assert str(status) in logs[0]["reason"]


async def test_an_agent_that_is_away_does_not_hold_an_analysis_up() -> None:
    async with aiohttp.ClientSession() as session:
        protection = TaskProtection(session, "http://127.0.0.1:1")
        with structlog.testing.capture_logs() as logs:
            async with protection.held():
                pass
    assert [each["enabled"] for each in logs] == [True, False]


async def test_outside_ecs_nothing_is_asked(agent: Agent, protection: TaskProtection) -> None:
    protection.agent_uri = ""
    async with protection.held():
        pass
    assert agent.asked == []
