"""Follow the links of mails: from an office, by mail providers, scanners and people."""

from typing import Any

import pytest

from gateway.limits.table import default_limits
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.gateway.test_invitations import mailed, send
from tests.support.eventually import eventually

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
STRANGER = "A" * 43
FORM = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    """A gateway at which Alice has invited a person."""
    client = await gateways.open()
    await client.post("/v1/me", client.issuer.id(ALICE, email="alice@example.com"))

    async def registered() -> bool:
        return f"inviter-{ALICE}" in client.bus.stores["invites"].streams

    await eventually(registered)
    await send(client)
    await mailed(client)
    return client


def link(client: GatewayClient, query: str = "") -> str:
    return f"/v1/unsubscribe/{client.bus.inbox.unsubscribe_token()}{query}"


async def test_no_opt_out_of_many_from_one_address_is_lost(client: GatewayClient) -> None:
    for _ in range(40):
        assert (await client.post(f"/v1/unsubscribe/{STRANGER}", data=FORM)).status == 404
        assert (await client.get(link(client))).status == 200
    assert (await client.post(link(client), data=FORM)).status == 200


async def test_an_opt_out_is_accepted_with_any_authorization_header(client: GatewayClient) -> None:
    assert (await client.post(link(client), "forged", data=FORM)).status == 200


async def test_the_bucket_of_opt_outs_is_larger_than_mails_are_sent() -> None:
    limit = default_limits()["unsubscribes"]
    assert limit.quantity / limit.window >= 10  # MAIL_RATE: ten mails a second


@pytest.mark.parametrize("path", ["lookup", "accept", "decline"])
async def test_an_office_behind_one_address_is_not_stopped(
    path: str, client: GatewayClient
) -> None:
    """By what its people do, or by scanners that follow the links of their mails."""
    for _ in range(40):
        await client.get(link(client))
    body = {"token": STRANGER}
    statuses = {(await client.post(f"/v1/invites/{path}", json=body)).status for _ in range(40)}
    assert statuses == {404}


@pytest.mark.parametrize("query", ["?utm_source=mail", "?utm_source=a&utm_source=b", "?x", "?%ff"])
async def test_parameters_that_mail_programs_add_are_ignored(
    query: str, client: GatewayClient
) -> None:
    page = await client.get(link(client, query))
    assert page.status == 200
    assert f'action="{link(client)}"'.encode() in page.body
    assert (await client.post(link(client, query), data=FORM)).status == 200


async def test_a_link_checker_may_use_head(client: GatewayClient) -> None:
    response = await client.session.head(client.url + link(client, "?utm_source=mail"))
    assert (response.status, response.content_type) == (200, "text/html")


async def test_a_person_is_shown_errors_as_pages(client: GatewayClient) -> None:
    page = await client.post(f"/v1/unsubscribe/{STRANGER}", data=FORM, headers=BROWSER)
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html")
    assert b"<p>There is no such invitation. Check that the link is complete.</p>" in page.body
    assert page.headers["X-Request-ID"].encode() in page.body


async def test_an_exceeded_limit_is_a_page_too(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "unsubscribe-pages", "1/60")
    client = await gateways.open()
    path = f"/v1/unsubscribe/{STRANGER}"
    statuses = [(await client.get(path, headers=BROWSER)).status for _ in range(2)]
    assert statuses == [200, 429]
    page = await client.get(path, headers=BROWSER)
    assert page.headers["Content-Type"] == "text/html"
    assert int(page.headers["Retry-After"]) > 0
    assert b"Try again in" in page.body


async def test_a_request_that_takes_longer_is_a_page_too(
    client: GatewayClient, gateways: Gateways
) -> None:
    hurried = await gateways.open(outcome_wait_seconds=0.05)
    path = link(client)
    hurried.bus.held = True
    page = await hurried.post(path, data=FORM, headers=BROWSER)
    assert (page.status, page.headers["Content-Type"]) == (202, "text/html")
    hurried.bus.release()


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html;q=0", ""])
async def test_programs_get_errors_as_json(accept: str, client: GatewayClient) -> None:
    headers: dict[str, Any] = {"Accept": accept}
    reply = await client.post(f"/v1/unsubscribe/{STRANGER}", data=FORM, headers=headers)
    assert (reply.status, reply.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("accepted", "language", "button"),
    [
        ("", "en", "Unsubscribe"),
        ("de-CH,en;q=0.5", "de", "Abbestellen"),
        ("es, fr;q=0.8, de;q=0.3", "fr", "Se désabonner"),
        ("de;q=0.1, en;q=0.9", "en", "Unsubscribe"),
        ("deutsch;q=x, ja", "en", "Unsubscribe"),
    ],
)
async def test_the_page_speaks_the_language_of_the_browser(
    accepted: str, language: str, button: str, client: GatewayClient
) -> None:
    path = f"{client.url}/v1/unsubscribe/{STRANGER}"
    async with client.session.get(path, headers={"Accept-Language": accepted}) as page:
        text = await page.text()
    assert f'<html lang="{language}">' in text
    assert f"<button>{button}</button>" in text


async def test_the_page_runs_no_script_and_uses_the_style_of_the_web_pages(
    client: GatewayClient,
) -> None:
    async with client.session.get(f"{client.url}/v1/unsubscribe/{STRANGER}") as page:
        policy = page.headers["Content-Security-Policy"]
        text = await page.text()
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in text
    async with client.session.get(f"{client.url}/app/pages.css") as style:
        assert (style.status, style.content_type) == (200, "text/css")
