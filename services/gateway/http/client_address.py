"""Find a client's address behind trusted proxies."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import structlog
from aiohttp import web

UNKNOWN: Final = "unknown"
FORWARDED_FOR: Final = "X-Forwarded-For"
MAX_LOGGED: Final = 10
"""Number of different kinds of unreadable entries that a process logs, each once."""
_PREFIX_V6: Final = 64
WIDER_PREFIXES: Final = (56, 48)
"""Prefixes of IPv6 that providers assign to one customer, besides the /64."""
_BLANKS: Final = " \t"
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?", re.ASCII)
_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}", re.ASCII)
_SHAPE: Final = ((re.compile(r"[0-9]", re.ASCII), "0"), (re.compile(r"[^\W0-9_]"), "a"))

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientAddresses:
    """Find the address of the client that sent a request."""

    trusted_proxy_hops: int = 0
    """Number of our own proxies in front; each appends its peer's address to X-Forwarded-For."""
    _logged: set[str] = field(default_factory=set, compare=False)
    """Kinds of unreadable entries that have been logged."""

    def of(self, request: web.Request) -> str:
        """Return the client's address as our outermost proxy saw it; of IPv6, the client's /64.

        Entries further left in X-Forwarded-For were written by the client and are ignored. Return
        the address of the peer if the proxy's entry is missing or cannot be read, and `unknown` if
        there is none.
        """
        hops = self.trusted_proxy_hops
        if hops > 0:
            chain = forwarded_entries(request.headers.getall(FORWARDED_FOR, ()))
            if len(chain) >= hops:
                address = network_of(chain[-hops])
                if address != UNKNOWN:
                    return address
                self._report(chain[-hops])
        return network_of(request.remote or "")

    def _report(self, entry: str) -> None:
        """Log an entry that cannot be read: its form, without the address that it may contain."""
        form = entry[:64]
        for characters, letter in _SHAPE:
            form = characters.sub(letter, form)
        if form not in self._logged and len(self._logged) < MAX_LOGGED:
            self._logged.add(form)
            log.warning("forwarded_address_unreadable", form=form)


def forwarded_entries(values: Iterable[str]) -> list[str]:
    """Return the entries of all X-Forwarded-For headers; empty ones (RFC 9110, 5.6.1) left out."""
    entries = (entry.strip(_BLANKS) for entry in ",".join(values).split(","))
    return [entry for entry in entries if entry]


@lru_cache(maxsize=8_192)
def network_of(text: str) -> str:
    """Return the address in an entry, or its /64 if it is IPv6; `unknown` if there is none.

    An entry is an address such as `203.0.113.7`, `203.0.113.7:41234`, `2001:db8::1` or
    `[2001:db8::1]:41234`, with or without double quotes.
    """
    try:
        address = ip_address(_bare(text))
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address.packed, _PREFIX_V6), strict=False).network_address)
    return str(address)


@lru_cache(maxsize=8_192)
def networks_around(address: str) -> tuple[str, ...]:
    """Return the wider networks of a client's /64, the smallest first; none for IPv4."""
    if ":" not in address:
        return ()
    packed = IPv6Address(address).packed
    return tuple(f"i:{ip_network((packed, p), strict=False)}" for p in WIDER_PREFIXES)


def _bare(text: str) -> str:
    """Remove blanks, quotes, brackets and the port around an address."""
    text = text.strip(_BLANKS)
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip(_BLANKS)
    match = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    return match[1] if match is not None else text
