"""Serve what other members see of a member on the leaderboards."""

from dataclasses import dataclass
from typing import Final

from contracts.messages import View
from contracts.referrals import ACCOUNTS, DisplayName, KnownName, SetProfile
from gateway.http.bodies import Body
from gateway.http.commands import Commands
from gateway.http.own_documents import OwnDocuments
from gateway.http.problems import not_found
from gateway.http.requests import read_body
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route


class NewProfile(Body):
    display_name: DisplayName | None
    """A name of up to 40 characters, or null to show the masked address."""
    on_boards: bool
    """False to be anonymous for others."""


class Profile(View):
    """What other members see of a member on the leaderboards."""

    display_name: KnownName | None
    """The name that the member has chosen; null: others see the masked address."""
    on_boards: bool
    """False: others see the member's rows without a name."""


@dataclass(frozen=True, slots=True)
class Profiles:
    """Show and change how a member appears on the leaderboards."""

    commands: Commands
    own_documents: OwnDocuments

    async def show(self, context: RequestContext) -> Response:
        """Return the caller's name and visibility."""
        document = await self.own_documents.load(context, ACCOUNTS)
        if document is None:
            raise not_found("You have no account yet.", code="no_account")
        account = document.view
        return _response(Profile(display_name=account.display_name, on_boards=account.on_boards))

    async def change(self, context: RequestContext) -> Response:
        """Set the caller's name and visibility; return them as they are stored."""
        body = await read_body(context, NewProfile)
        command = SetProfile(
            member_id=context.caller.subject,
            display_name=body.display_name,
            on_boards=body.on_boards,
        )
        await self.commands.execute(context, command)
        return _response(Profile(display_name=command.display_name, on_boards=command.on_boards))


def _response(profile: Profile) -> Response:
    return json_response(profile, headers=PRIVATE)


ROUTES: Final = (
    Route(
        "GET",
        "/v1/me/profile",
        "show_profile",
        Auth.PERSON,
        Profiles.show,
        summary="Your name on the leaderboards, and whether others see it",
        limits=("reads",),
        prefetch=ACCOUNTS,
        response=Profile,
        problems=(404,),
    ),
    Route(
        "PUT",
        "/v1/me/profile",
        "set_profile",
        Auth.ACCESS,
        Profiles.change,
        summary="Choose a name for the leaderboards, or hide yourself on them",
        limits=("writes",),
        body=NewProfile,
        example={"displayName": "Alice", "onBoards": True},
        response=Profile,
        problems=(404, 409),
    ),
)
