"""Find a client's address behind trusted proxies."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp import web

UNKNOWN: Final = "unknown"
_PREFIX_V6: Final = 64


@dataclass(frozen=True, slots=True)
class ClientAddresses:
    """Find the address of the client that sent a request."""

    trusted_proxy_hops: int = 0
    """Number of our own proxies in front; each appends its peer's address to X-Forwarded-For."""

    def of(self, request: web.Request) -> str:
        """Return the client's address as our outermost proxy saw it; of IPv6, the client's /64.

        Entries further left in X-Forwarded-For were written by the client and are ignored. Return
        `unknown` if there is no valid address.
        """
        hops = self.trusted_proxy_hops
        if hops > 0:
            chain = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
            if len(chain) >= hops and (address := _network(chain[-hops].strip())) != UNKNOWN:
                return address
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
