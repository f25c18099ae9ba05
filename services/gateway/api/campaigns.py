"""Let administrators open campaigns: codes of the team with their own quota and end."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from chassis.views.read_models import ReadModels
from contracts.messages import CommandTime, View
from contracts.referral_code import vanity
from contracts.referrals import MEMBER_CODES, TEAM_PREFIX, OpenCampaign, Reason, Seats
from gateway.api.code_details import CodeDetails, CodeLinks
from gateway.http.bodies import Body
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands
from gateway.http.problems import FieldError, invalid
from gateway.http.requests import read_body
from gateway.http.responses import Response, json_response
from gateway.http.routing import Auth, RequestContext, Route


class NewCampaign(Body):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    code: Annotated[str, Field(max_length=32)] | None = None
    """A name for the code; default: a random code."""
    total_referrals: Seats
    expires_at: CommandTime | None = None
    reason: Reason


class Campaign(View):
    id: str
    code: CodeDetails


@dataclass(frozen=True, slots=True)
class Campaigns:
    """Open campaigns."""

    commands: Commands
    read_models: ReadModels
    links: CodeLinks

    async def open(self, context: RequestContext) -> Response:
        """Open a campaign, and return its code."""
        body = await read_body(context, NewCampaign)
        name, shown = (None, None) if body.code is None else _chosen_name(body.code)
        command = OpenCampaign(
            member_id=f"{TEAM_PREFIX}{body.id}",
            code=name,
            shown=shown,
            total_referrals=body.total_referrals,
            expires_at=body.expires_at,
            by=context.caller.subject,
            reason=body.reason,
        )
        accepted = await self.commands.execute(context, command)
        view = await self.read_models.view(MEMBER_CODES, command.stream)
        if view is None or not view.codes:
            return pending_response(context, accepted.command_id)
        code = self.links.describe(view, view.codes[0])
        return json_response(Campaign(id=body.id, code=code), 201)


def _chosen_name(text: str) -> tuple[str, str]:
    """Return a code's name, as it is stored and as it is shown."""
    try:
        return vanity(text)
    except ValueError as error:
        raise invalid([FieldError("code", str(error))]) from error


ROUTES: Final = (
    Route(
        "POST",
        "/v1/admin/campaigns",
        "open_campaign",
        Auth.ADMIN,
        Campaigns.open,
        summary="Open a campaign: a code of the team, with its own quota and end",
        limits=("admin",),
        success=201,
        body=NewCampaign,
        example={"reason": "spring campaign", "id": "spring", "totalReferrals": 500},
        response=Campaign,
    ),
)
