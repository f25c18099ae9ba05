"""Who is at the other end of a connection, when proxies stand in between."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp import web

UNKNOWN: Final = "unknown"
_PREFIX_V6: Final = 64


def client_address(request: web.Request, hops: int) -> str:
    """The client's address as the outermost of our own `hops` proxies has seen it.

    Each trusted proxy appends the address that it was called from to X-Forwarded-For; what stands
    further to the left was written by the client and means nothing. An IPv6 client owns a /64, so
    that is what it is called by.
    """
    if hops > 0:
        chain = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        if len(chain) >= hops and (named := _network(chain[-hops].strip())) != UNKNOWN:
            return named
    return _network(request.remote or "")


@lru_cache(maxsize=8_192)
def _network(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address.packed, _PREFIX_V6), strict=False).network_address)
    return str(address)
