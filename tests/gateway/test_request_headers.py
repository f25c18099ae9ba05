"""`Prefer` and `If-None-Match` are read as RFC 7240 and RFC 9110 define them."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import hdrs
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.http.conditional import has_current
from gateway.http.preferences import Preference, WaitTimes
from tests.gateway.conftest import GatewayClient

WAITS = WaitTimes(default=2.0, maximum=25.0)
ETAG = '"3-0badcafe"'


def request_with(name: str, *values: str) -> Any:
    return SimpleNamespace(headers=CIMultiDict([(name, value) for value in values]))


def preference(*lines: str) -> Preference:
    return WAITS.preference(request_with("Prefer", *lines))


@pytest.mark.parametrize(
    ("lines", "wait", "applied"),
    [
        ([], 2.0, None),
        (["wait=5"], 5.0, "wait=5"),
        (["WAIT=5"], 5.0, "wait=5"),
        (['wait="5"'], 5.0, "wait=5"),
        (['wait="\\5"'], 5.0, "wait=5"),
        (["wait = 5"], 5.0, "wait=5"),
        ([" wait\t=\t5 "], 5.0, "wait=5"),
        (["wait=5;x=y"], 5.0, "wait=5"),
        (['wait=5 ; x="a,b" ; z'], 5.0, "wait=5"),
        (["wait=005"], 5.0, "wait=5"),
        (["wait=0"], 0.0, "wait=0"),
        (["wait=99999"], 25.0, "wait=25"),
        (["wait=" + "9" * 5000], 25.0, "wait=25"),
        (["respond-async"], 0.0, "respond-async"),
        (["Respond-Async;x=y"], 0.0, "respond-async"),
        (["respond-async, wait=5"], 5.0, "wait=5"),
        (["return=minimal", "wait=5"], 5.0, "wait=5"),
        (["respond-async", "wait=5"], 5.0, "wait=5"),
        (["", "respond-async"], 0.0, "respond-async"),
        ([",, return=minimal ,, wait=5,"], 5.0, "wait=5"),
        (["wait=5, wait=7"], 5.0, "wait=5"),
        (["wait=5", "wait=7"], 5.0, "wait=5"),
        (['foo="a, wait=9", wait=5'], 5.0, "wait=5"),
        (['foo="respond-async'], 2.0, None),
        (["wait=soon, wait=5"], 2.0, None),
        (["wait=-1"], 2.0, None),
        (["wait=1.5"], 2.0, None),
        (["wait=\u0665"], 2.0, None),
        (["wait"], 2.0, None),
        (['wait=""'], 2.0, None),
        (["handling=lenient"], 2.0, None),
    ],
)
def test_a_preference_is_read_in_every_spelling(
    lines: list[str], wait: float, applied: str | None
) -> None:
    assert preference(*lines) == Preference(wait, applied)


TOKENS = st.text("abcXYZ019-_.~!", min_size=1, max_size=8)
QUOTED = st.text('ab5,;= "\\', max_size=8).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
SPACE = st.sampled_from(["", " ", "\t", "  "])
NAMED = st.builds("{}{}={}{}".format, TOKENS, SPACE, SPACE, TOKENS | QUOTED)
OTHERS = st.builds(
    "x-{}{}".format, TOKENS | NAMED, st.just("") | st.builds(";{}".format, TOKENS | NAMED)
)


@given(
    before=st.lists(OTHERS, max_size=3),
    after=st.lists(OTHERS, max_size=3),
    seconds=st.integers(0, 10**30),
    data=st.data(),
    quoted=st.booleans(),
)
def test_a_wait_is_found_among_other_preferences(
    before: list[str], after: list[str], seconds: int, data: st.DataObject, *, quoted: bool
) -> None:
    value = f'"{seconds}"' if quoted else str(seconds)
    wait = f"wait{data.draw(SPACE)}={data.draw(SPACE)}{value}"
    members = [*before, wait, *after]
    cut = data.draw(st.integers(0, len(members)))
    lines = [", ".join(part) for part in (members[:cut], members[cut:])]
    assert preference(*lines).wait == min(seconds, 25)


@given(st.lists(st.text(max_size=40), max_size=3))
@example(['"' * 5000])
@example(['wait="' + "\\" * 5000])
def test_no_prefer_header_is_an_error(lines: list[str]) -> None:
    assert 0 <= preference(*lines).wait <= 25


@pytest.mark.parametrize(
    ("lines", "matches"),
    [
        ([], False),
        (["*"], True),
        ([" * "], True),
        ([ETAG], True),
        ([f"W/{ETAG}"], True),
        ([f'"1-a", {ETAG}'], True),
        ([f'"1-a",{ETAG},'], True),
        (['"1-a"', ETAG], True),
        (['"1-a"', '"2-b"', f"W/{ETAG}"], True),
        (['"1-a, x"', ETAG], True),
        ([f",, {ETAG} ,"], True),
        (['"1-a"', '"2-b"'], False),
        (['"1-a, 3-0badcafe, x"'], False),
        (["3-0badcafe"], False),
        ([f"w/{ETAG}"], False),
        ([f"garbage {ETAG}"], False),
        ([f"{ETAG} garbage"], False),
        (['"3-0badcafe'], False),
        ([""], False),
    ],
)
def test_if_none_match_is_compared_weakly_with_every_listed_tag(
    lines: list[str], *, matches: bool
) -> None:
    request = request_with(hdrs.IF_NONE_MATCH, *lines)
    assert has_current(request, ETAG) is matches
    assert has_current(request, f"W/{ETAG}") is matches


OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f'))
TAGS = st.builds('{}"{}"'.format, st.sampled_from(["", "W/"]), OPAQUE)


@given(st.lists(TAGS, min_size=1, max_size=5), TAGS, st.integers(0, 5))
def test_a_tag_matches_exactly_if_it_is_listed(tags: list[str], etag: str, cut: int) -> None:
    lines = [", ".join(part) for part in (tags[:cut], tags[cut:]) if part]
    listed = etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    assert has_current(request_with(hdrs.IF_NONE_MATCH, *lines), etag) is listed


@given(st.lists(st.text(max_size=40), max_size=3))
@example(['"a" ' * 5000])
def test_no_if_none_match_header_is_an_error(lines: list[str]) -> None:
    has_current(request_with(hdrs.IF_NONE_MATCH, *lines), ETAG)


async def test_both_headers_may_have_several_lines(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    token = client.issuer.access()
    etag = (await client.get("/v1/me", token)).headers["ETag"]
    headers = CIMultiDict(
        [("Authorization", f"Bearer {token}"), ("If-None-Match", '"1-a"'), ("If-None-Match", etag)]
    )
    async with client.session.get(f"{client.url}/v1/me", headers=headers) as response:
        assert response.status == 304
    client.bus.held = True
    headers = CIMultiDict(
        [
            ("Authorization", f"Bearer {token}"),
            ("Prefer", "return=minimal"),
            ("Prefer", "respond-async; x=y"),
        ]
    )
    url = f"{client.url}/v1/referral/codes"
    async with client.session.post(url, headers=headers, json={}) as response:
        assert response.status == 202
        assert response.headers["Preference-Applied"] == "respond-async"
    client.bus.release()
