"""Serve accounts: open one, and read one's own."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from chassis.views.read_models import ReadModels
from contracts.messages import Identifier, VerifiedAddress
from contracts.referrals import ACCOUNTS, CODE_OWNERS, OpenAccount, UsersEntry
from contracts.rejections import CODE_NOT_USABLE
from contracts.streams import MEMBERS
from gateway.api.account_documents import load_account, with_all_referrals
from gateway.api.code_guesses import read_code
from gateway.api.own_address import own_address
from gateway.http.bodies import Body, Empty
from gateway.http.client_address import ClientAddresses
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands
from gateway.http.conditional import ETAG, document_response, etag_of
from gateway.http.own_documents import OwnDocuments
from gateway.http.problems import Problem, not_found
from gateway.http.requests import read_body
from gateway.http.responses import Response
from gateway.http.routing import Auth, RequestContext, Route


class NewUser(Body):
    sub: Identifier
    user: VerifiedAddress
    referral_code: Annotated[str, Field(max_length=64)] | None = None
    """The code that brought the person; it is redeemed as soon as the account is open."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Open accounts and show them to their owners."""

    commands: Commands
    read_models: ReadModels
    own_documents: OwnDocuments
    addresses: ClientAddresses

    async def open_own(self, context: RequestContext) -> Response:
        """Open the caller's account. Its verified address comes from the ID token."""
        await read_body(context, Empty)
        command = OpenAccount(
            member_id=context.caller.subject,
            email=own_address(context.caller),
            network=self.addresses.of(context.request),
        )
        return await self._open(context, command, {"Location": "/v1/me"})

    async def open_for_person(self, context: RequestContext) -> Response:
        """Open an account on behalf of a program."""
        body = await read_body(context, NewUser)
        if body.referral_code is None:
            command = OpenAccount(member_id=body.sub, email=body.user)
        else:
            code = read_code(body.referral_code)
            command = OpenAccount(
                member_id=body.sub,
                email=body.user,
                referrer_id=await self._owner(code),
                referral_code=code,
            )
        return await self._open(context, command, {})

    async def get_own(self, context: RequestContext) -> Response:
        """Return the caller's account."""
        document = await self.own_documents.load(context, ACCOUNTS)
        if document is None:
            raise not_found("You have no account yet.", code="no_account")
        stream = MEMBERS.stream(context.caller.subject)
        document = await with_all_referrals(self.read_models, stream, document)
        return document_response(context, document)

    async def _open(
        self, context: RequestContext, command: OpenAccount, headers: dict[str, str]
    ) -> Response:
        accepted = await self.commands.execute(context, command)
        document = await load_account(self.read_models, command.stream)
        if document is None:
            return pending_response(context, accepted.command_id)
        return Response(201, document.body, headers | {ETAG: etag_of(document)})

    async def _owner(self, code: str) -> str:
        stream = await self.read_models.entry(CODE_OWNERS, code)
        if stream is None:
            raise Problem(409, "code_not_usable", CODE_NOT_USABLE)
        return MEMBERS.key(stream)


ROUTES: Final = (
    Route(
        "POST",
        "/v1/me",
        "open_own_account",
        Auth.ID,
        Accounts.open_own,
        summary="Open your account and receive a referral code",
        limits=("writes", "accounts"),
        success=201,
        body=Empty,
        response=UsersEntry,
        problems=(409,),
    ),
    Route(
        "GET",
        "/v1/me",
        "get_me",
        Auth.PERSON,
        Accounts.get_own,
        summary="Your account: referral code, referrals and remaining quota",
        limits=("reads",),
        prefetch=ACCOUNTS,
        conditional=True,
        response=UsersEntry,
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/users",
        "create_user",
        Auth.SERVICE,
        Accounts.open_for_person,
        summary="Open an account for a person",
        limits=("services",),
        success=201,
        body=NewUser,
        example={"sub": "8a1c2f34-0b7e-4c55-9a53-6d1f0e7b2c11", "user": "alice@example.com"},
        response=UsersEntry,
        problems=(409,),
    ),
)
