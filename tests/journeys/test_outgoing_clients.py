"""No call to AWS waits for minutes, and every client finds the proxy of the environment."""

import re
from contextlib import AsyncExitStack
from typing import Any

import aiobotocore.session
import pytest

from chassis.run.assembly import assemble
from chassis.run.resources import open_resources
from compute.app import COMPUTE
from deploy.folders import ROOT
from gateway.clients import open_clients
from invites.app import INVITES
from referrals.app import REFERRALS
from tests.compute.service import compute_settings
from tests.gateway.environment import settings as gateway_settings
from tests.invites.service import invites_settings
from tests.referrals.service import referrals_settings

NOWHERE = "redis://127.0.0.1:1/0"
ON_THIS_MACHINE = {ROOT / "services/gateway/edge/worker_metrics.py"}
"""Modules that connect to other processes of the same machine, which no proxy can reach."""
LONGEST_CONNECT_SECONDS = 5
LONGEST_READ_SECONDS = 30
"""A receive waits for messages for twenty of them."""


async def test_no_client_of_aws_has_the_timeouts_of_botocore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    created: list[tuple[str, Any]] = []
    create = aiobotocore.session.AioSession.create_client

    def record(session: Any, name: str, *args: Any, config: Any = None, **options: Any) -> Any:
        created.append((name, config))
        return create(session, name, *args, config=config, **options)

    monkeypatch.setattr(aiobotocore.session.AioSession, "create_client", record)
    for variable in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    services: Any = (
        (REFERRALS, referrals_settings()),
        (INVITES, invites_settings()),
        (COMPUTE, compute_settings()),
    )
    async with AsyncExitStack() as stack:
        for service, settings in services:
            resources = await stack.enter_async_context(open_resources(settings))
            await stack.enter_async_context(service.compose(assemble(service, settings, resources)))
            await resources.broker.connect()
            stack.push_async_callback(resources.broker.stop)
        await stack.enter_async_context(open_clients(gateway_settings(NOWHERE)))

    assert {name for name, _ in created} == {"dynamodb", "sqs", "sesv2", "s3"}
    for name, config in created:
        assert config is not None, name
        assert config.connect_timeout <= LONGEST_CONNECT_SECONDS, name
        assert config.read_timeout <= LONGEST_READ_SECONDS, name


def test_every_http_client_uses_the_proxy_of_the_environment() -> None:
    calls = [
        call
        for path in (ROOT / "services").rglob("*.py")
        if path not in ON_THIS_MACHINE
        for call in re.findall(r"ClientSession\((.*)\)", path.read_text())
    ]
    assert calls
    assert all("trust_env=True" in call for call in calls)
