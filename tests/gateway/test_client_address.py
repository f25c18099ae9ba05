from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict
from structlog.testing import capture_logs

from gateway.http.client_address import ClientAddresses, network_of

PEER = "9.9.9.9"


@pytest.mark.parametrize(
    ("hops", "peer", "forwarded", "address"),
    [
        (0, PEER, ["1.1.1.1"], PEER),
        (1, PEER, ["1.1.1.1"], "1.1.1.1"),
        (1, PEER, ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        (2, PEER, ["6.6.6.6, 1.1.1.1, 8.8.8.8"], "1.1.1.1"),
        (2, PEER, ["6.6.6.6, 1.1.1.1", "8.8.8.8"], "1.1.1.1"),
        (2, PEER, ["1.1.1.1"], PEER),
        (1, PEER, ["nonsense"], PEER),
        (1, PEER, ["6.6.6.6, nonsense"], PEER),
        (1, PEER, [], PEER),
        (1, PEER, [""], PEER),
        (1, PEER, [" , ,"], PEER),
        (1, PEER, ["203.0.113.7:41234"], "203.0.113.7"),
        (1, PEER, ['"203.0.113.7:41234"'], "203.0.113.7"),
        (1, PEER, ["203.0.113.7, "], "203.0.113.7"),
        (2, PEER, ["203.0.113.7:41234,, 8.8.8.8:1,"], "203.0.113.7"),
        (1, PEER, ["[2001:db8::1]:41234"], "2001:db8::"),
        (1, PEER, ['"[2001:db8::1]"'], "2001:db8::"),
        (1, PEER, ["[::ffff:1.2.3.4]:5"], "1.2.3.4"),
        (1, PEER, ["fe80::1%eth0"], "fe80::"),
        (0, "2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::"),
        (0, "::ffff:1.2.3.4", [], "1.2.3.4"),
        (0, "", [], "unknown"),
    ],
)
def test_the_client_address_is_the_one_our_own_proxies_saw(
    hops: int, peer: str, forwarded: list[str], address: str
) -> None:
    assert ClientAddresses(hops).of(_request(forwarded, peer)) == address


addresses = st.one_of(st.builds(IPv4Address, st.integers(0, 2**32 - 1)), st.ip_addresses(v=6))
blanks = st.text(" \t", max_size=2)


@st.composite
def entries(draw: st.DrawFn) -> tuple[IPv4Address | IPv6Address, str]:
    """Draw an address, and a form in which a proxy may write it."""
    address = draw(addresses)
    port = draw(st.one_of(st.none(), st.integers(1, 65_535)))
    text = str(address)
    if address.version == 6 and (port is not None or draw(st.booleans())):
        text = f"[{text}]"
    if port is not None:
        text = f"{text}:{port}"
    if draw(st.booleans()):
        text = f'"{text}"'
    return address, draw(blanks) + text + draw(blanks)


@given(
    written=st.lists(entries(), min_size=1, max_size=4),
    noise=st.lists(st.text('0123456789abcdef.:[]"% ,', max_size=20), max_size=3),
    data=st.data(),
)
def test_an_entry_is_found_in_every_form_and_over_any_number_of_headers(
    written: list[tuple[IPv4Address | IPv6Address, str]], noise: list[str], data: st.DataObject
) -> None:
    """What the client wrote, further left, changes nothing."""
    chain = [text for _, text in written]
    parts = [*noise]
    while chain:
        taken = data.draw(st.integers(1, len(chain)))
        commas = data.draw(st.sampled_from(["", ",", " , ,"]))
        parts.append(",".join(chain[:taken]) + commas)
        chain = chain[taken:]
    found = ClientAddresses(len(written)).of(_request(parts))
    assert found == _expected(written[0][0])


@given(entry=st.one_of(st.text(max_size=60), st.text('0123456789abcdef.:[]"% ', max_size=60)))
@example(entry="1.2.3.4:")
@example(entry="1.2.3.4:999999")
@example(entry="[1.2.3.4")
@example(entry="[]:80")
def test_any_entry_is_an_address_or_unknown(entry: str) -> None:
    found = network_of(entry)
    assert found == "unknown" or str(ip_address(found)) == found


def test_an_unreadable_entry_is_logged_once_without_its_address() -> None:
    addresses_of = ClientAddresses(1)
    with capture_logs() as lines:
        for last in range(3):
            addresses_of.of(_request([f"198.51.100.{last}:http"]))
    assert [line["event"] for line in lines] == ["forwarded_address_unreadable"]
    assert lines[0]["form"] == "000.00.000.0:aaaa"


def test_unreadable_entries_of_many_kinds_do_not_fill_the_log() -> None:
    addresses_of = ClientAddresses(1)
    with capture_logs() as lines:
        for length in range(50):
            addresses_of.of(_request(["-" * (length + 1)]))
    assert len(lines) == 10


def _expected(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), 64), strict=False).network_address)


def _request(forwarded: list[str], peer: str = PEER) -> Any:
    headers: Any = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    return make_mocked_request("GET", "/", headers=headers, transport=_transport(peer))


def _transport(peer: str) -> Any:
    @dataclass
    class Transport:
        get_extra_info: Callable[..., Any]

    return Transport(lambda name, _default=None: (peer, 1) if name == "peername" else None)
