"""Read the token in a path, and serve the supported chains."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.chains import KNOWN_CHAINS, checksum_address
from contracts.compute import RequestAnalysis, report_key
from contracts.messages import View
from gateway.api.reports import Reports
from gateway.http.problems import malformed
from gateway.http.responses import Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

_NUMBER: Final = re.compile(r"(?:eip155:)?([1-9][0-9]{0,15})", re.ASCII)
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_EXPLORERS: Final = {chain.chain_id: chain.explorer for chain in KNOWN_CHAINS.values()}
EXAMPLE: Final = {"chain": "ethereum", "token_address": "0x" + "ab" * 20}
"""Path parameters of a valid request."""


class Chain(View):
    """A supported chain, in every spelling that paths accept."""

    name: str
    chain_id: int
    caip2: str
    available: bool
    """False if no endpoint of the chain is configured: its tokens cannot be analysed."""
    explorer: str | None = None
    """Site that shows its `/tx/{hash}`, `/address/{address}` and `/block/{number}`."""


class ChainList(View):
    items: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """Represent the token in a path."""

    chain: str
    """The chain as the caller spelled it."""
    address: str
    """The address as the caller spelled it."""
    command: RequestAnalysis
    """The command that requests an analysis of this token."""

    @property
    def report_key(self) -> str:
        """Key of the token's reports."""
        return report_key(self.command.chain_id, self.command.token_address)

    @property
    def job_id(self) -> str:
        """Id of the token's analysis job."""
        return self.command.stream


@dataclass(frozen=True, slots=True)
class Tokens:
    """Read tokens from paths, and serve what the gateway knows about chains."""

    chains: Mapping[str, int]
    """Name of each supported chain -> its chain id."""
    reports: Reports

    def in_path(self, context: RequestContext) -> Token:
        """Return the token in the request's path.

        Raises:
            Problem: 400 for an unsupported chain, or an invalid address.
        """
        parameters = context.request.match_info
        chain, address = parameters["chain"], parameters["token_address"]
        command = RequestAnalysis(
            chain_id=chain_id(chain, self.chains), token_address=token_address(address)
        )
        return Token(chain, address, command)

    async def list_chains(self, _context: RequestContext) -> Response:
        """Return the supported chains, and whether their tokens can be analysed."""
        available = await self.reports.available_chains()
        chains = tuple(
            Chain(
                name=name,
                chain_id=number,
                caip2=f"eip155:{number}",
                available=number in available,
                explorer=_EXPLORERS.get(number),
            )
            for name, number in self.chains.items()
        )
        headers = {"Cache-Control": "public, max-age=300"}
        return json_response(ChainList(items=chains), headers=headers)


def chain_id(text: str, chains: Mapping[str, int]) -> int:
    """Return the id of a supported chain from its name (`ethereum`), number or `eip155:1`.

    Raises:
        Problem: 400 if it is none of them.
    """
    if (known := chains.get(text.lower())) is not None:
        return known
    number = _NUMBER.fullmatch(text)
    if number is None or int(number[1]) not in chains.values():
        detail = f"This chain is not supported. Supported chains: {', '.join(chains)}."
        raise malformed(detail, code="unknown_chain")
    return int(number[1])


def token_address(text: str) -> str:
    """Return an address in its stored form, lower case.

    Mixed case carries a checksum (EIP-55), which is verified, so that a typing error does not lead
    to another token.

    Raises:
        Problem: 400 if it is no address, or its checksum is wrong.
    """
    if _ADDRESS.fullmatch(text) is None:
        detail = "A token address is 0x followed by 40 hexadecimal digits."
        raise malformed(detail, code="invalid_address")
    digits, correct = text[2:], checksum_address(text.lower())
    if digits not in (digits.lower(), digits.upper()) and text != correct:
        detail = (
            "The checksum of this address (EIP-55) is wrong. Check its digits; "
            f"if they are right, it is spelled {correct}."
        )
        raise malformed(detail, code="invalid_checksum")
    return text.lower()


ROUTES: Final = (
    Route(
        "GET",
        "/v1/chains",
        "list_chains",
        Auth.PUBLIC,
        Tokens.list_chains,
        summary="The chains, in every spelling that paths accept, and which are available",
        limits=("documents",),
        response=ChainList,
    ),
)
