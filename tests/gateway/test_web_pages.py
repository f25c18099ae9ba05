"""The gateway serves the built web pages: compressed, cached, and under a strict policy."""

import gzip
import json
import re
from pathlib import Path

import pytest
from yarl import URL

from deploy.folders import ROOT
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import CLIENT, ISSUER

DIST = ROOT / "web" / "dist"
ASSETS = sorted(path for path in (DIST / "assets").iterdir() if path.suffix in (".js", ".css"))
MEMBER_PATHS = ["/app/", "/app/invite", "/app/invited", "/app/join?code=ABC", "/app/any/path"]
TOKEN_PATHS = ["/app/token", "/app/token/local/0x7070707070707070707070707070707070707070"]


@pytest.mark.parametrize("path", ["/", "/app"])
async def test_the_root_leads_to_the_pages(path: str, client: GatewayClient) -> None:
    async with client.session.get(client.url + path, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/app/")


@pytest.mark.parametrize(
    ("path", "page"),
    [*((p, "member") for p in MEMBER_PATHS), *((p, "token") for p in TOKEN_PATHS)],
)
async def test_a_path_shows_its_page(path: str, page: str, client: GatewayClient) -> None:
    async with client.session.get(client.url + path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        assert await response.text() == (DIST / f"{page}.html").read_text()


async def test_the_policy_allows_scripts_of_this_host_only(gateways: Gateways) -> None:
    client = await gateways.open(sign_in_origin="https://vouch.auth.example")
    async with client.session.get(f"{client.url}/app/") as response:
        found = dict(
            rule.strip().split(" ", 1)
            for rule in response.headers["Content-Security-Policy"].split(";")
        )
    assert found.pop("connect-src") == "'self' https://vouch.auth.example"
    assert found.pop("img-src") == "'self' data: blob:"
    assert found.pop("require-trusted-types-for") == "'script'"
    assert found.pop("trusted-types") == "vouch"
    assert {rule for rule, sources in found.items() if sources == "'self'"} == {
        "script-src", "style-src", "worker-src",
    }  # fmt: skip
    assert {rule for rule, sources in found.items() if sources == "'none'"} == {
        "default-src", "base-uri", "form-action", "frame-ancestors",
    }  # fmt: skip


@pytest.mark.parametrize("page", ["member", "token"])
def test_a_page_contains_no_script_or_style_and_names_only_files_that_exist(page: str) -> None:
    html = (DIST / f"{page}.html").read_text()
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:", html)
    named = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert named
    assert all((DIST / name.removeprefix("/app/")).is_file() for name in named)


@pytest.mark.parametrize("coding", ["br", "gzip", "identity"])
@pytest.mark.parametrize("path", ASSETS[:3], ids=lambda path: path.suffix)
async def test_a_file_is_sent_compressed_and_never_changes(
    path: Path, coding: str, client: GatewayClient
) -> None:
    url = f"{client.url}/app/assets/{path.name}"
    headers = {"Accept-Encoding": coding}
    async with client.session.get(url, headers=headers, auto_decompress=False) as response:
        body = await response.read()
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.headers.get("Content-Encoding", "identity") == coding
    if coding == "gzip":
        body = gzip.decompress(body)
    suffix = ".br" if coding == "br" else ""
    assert body == path.with_name(path.name + suffix).read_bytes()
    async with client.session.head(url, headers=headers, auto_decompress=False) as head:
        assert (head.status, head.headers["ETag"]) == (200, response.headers["ETag"])
        assert int(head.headers["Content-Length"]) > 0
    current = headers | {"If-None-Match": response.headers["ETag"]}
    async with client.session.get(url, headers=current) as unchanged:
        assert (unchanged.status, await unchanged.read()) == (304, b"")


async def test_the_configuration_names_where_people_sign_in(gateways: Gateways) -> None:
    client = await gateways.open(sign_in_origin="https://vouch.auth.example", sign_up=False)
    async with client.session.get(f"{client.url}/app/config.json") as response:
        assert response.headers["Content-Type"].startswith("application/json")
        assert json.loads(await response.text()) == {
            "issuer": ISSUER,
            "clientId": CLIENT,
            "signInOrigin": "https://vouch.auth.example",
            "signUp": False,
        }


@pytest.mark.parametrize(
    "path",
    [
        "/app/assets/missing.js",
        "/app/assets/",
        "/app/missing.js",
        "/app/manifest.json",
        "/app/assets/..%2f..%2f..%2fpyproject.toml",
        "/app/assets/%2e%2e/%2e%2e/package.json",
        "/app/..%2fpackage.json",
        "/app/assets//etc/passwd",
        "/app/assets/member.html.br",
    ],
)
async def test_other_files_are_not_served(path: str, client: GatewayClient) -> None:
    async with client.session.get(URL(client.url + path, encoded=True)) as response:
        assert (response.status, (await response.json())["code"]) == (404, "not_found")


async def test_an_address_can_request_pages_as_often_as_the_limit_says(gateways: Gateways) -> None:
    await gateways.redis.hset("gateway:limits", "web", "2/3600")
    client = await gateways.open()
    statuses = [(await client.get("/app/")).status for _ in range(3)]
    assert statuses == [200, 200, 429]
