"""Let administrators see a member's account, and change its quota, codes and name."""

from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from chassis.views.read_models import ReadModels
from contracts.messages import Identifier, View
from contracts.referral_code import normalise
from contracts.referrals import (
    MEMBER_CODES,
    ClearDisplayName,
    CodesView,
    GrantQuota,
    Reason,
    RevokeCode,
    Seats,
)
from contracts.rejections import UNKNOWN_ACCOUNT
from contracts.streams import MEMBERS
from gateway.api.code_details import CodeDetails, CodeLinks
from gateway.http.bodies import Body
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands
from gateway.http.problems import Problem, not_found
from gateway.http.requests import read_body
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

_IDENTIFIER: Final[TypeAdapter[str]] = TypeAdapter(Identifier)
_EXAMPLE: Final = {"member_id": "8a1c2f34-0b7e-4c55-9a53-6d1f0e7b2c11"}
_REASON: Final = {"reason": "requested by mail"}


class Explanation(Body):
    """The body of an administrator's action that needs only a reason."""

    reason: Reason


class Quota(Body):
    total_referrals: Seats
    reason: Reason


class MemberAccount(View):
    """A member's seats and codes."""

    member_id: Identifier
    remaining: int
    """How many more people the member can refer."""
    codes: tuple[CodeDetails, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """Serve members' accounts to administrators."""

    commands: Commands
    read_models: ReadModels
    links: CodeLinks

    async def show(self, context: RequestContext) -> Response:
        """Return a member's codes and remaining seats."""
        stream = MEMBERS.stream(_member_id(context))
        view = await self.read_models.view(MEMBER_CODES, stream)
        if view is None or not view.opened:
            raise _no_account()
        return json_response(self._account(view), headers=PRIVATE)

    async def grant_quota(self, context: RequestContext) -> Response:
        """Set how many people a member can refer in total."""
        body = await read_body(context, Quota)
        command = GrantQuota(
            member_id=_member_id(context),
            total_referrals=body.total_referrals,
            by=context.caller.subject,
            reason=body.reason,
        )
        return await self._change(context, command)

    async def revoke_code(self, context: RequestContext) -> Response:
        """Revoke one of a member's codes."""
        body = await read_body(context, Explanation)
        try:
            code = normalise(context.request.match_info["code"])
        except ValueError as error:
            raise not_found("This member has no such code.") from error
        command = RevokeCode(
            member_id=_member_id(context), code=code, by=context.caller.subject, reason=body.reason
        )
        return await self._change(context, command)

    async def clear_display_name(self, context: RequestContext) -> Response:
        """Remove the name that a member has chosen for the leaderboards."""
        body = await read_body(context, Explanation)
        command = ClearDisplayName(
            member_id=_member_id(context), by=context.caller.subject, reason=body.reason
        )
        return await self._change(context, command)

    async def _change(
        self, context: RequestContext, command: GrantQuota | RevokeCode | ClearDisplayName
    ) -> Response:
        """Execute a command and return the account as it is afterwards."""
        accepted = await self.commands.execute(context, command)
        view = await self.read_models.view(MEMBER_CODES, command.stream)
        if view is None:
            return pending_response(context, accepted.command_id)
        return json_response(self._account(view))

    def _account(self, view: CodesView) -> MemberAccount:
        codes = self.links.describe_all(view)
        return MemberAccount(member_id=view.member_id, remaining=view.remaining, codes=codes)


def _member_id(context: RequestContext) -> str:
    """Return the account in the path; a text that cannot be an id belongs to no account."""
    try:
        return _IDENTIFIER.validate_python(context.request.match_info["member_id"])
    except ValidationError as error:
        raise _no_account() from error


def _no_account() -> Problem:
    return not_found(UNKNOWN_ACCOUNT, code="no_account")


ROUTES: Final = (
    Route(
        "GET",
        "/v1/admin/members/{member_id}",
        "show_account",
        Auth.ADMIN,
        Members.show,
        summary="A member's codes and remaining quota",
        limits=("admin",),
        example=_EXAMPLE,
        response=MemberAccount,
    ),
    Route(
        "POST",
        "/v1/admin/members/{member_id}/quota",
        "grant_quota",
        Auth.ADMIN,
        Members.grant_quota,
        summary="Set how many people a member can refer in total",
        limits=("admin",),
        body=Quota,
        example={**_EXAMPLE, **_REASON, "totalReferrals": 20},
        response=MemberAccount,
    ),
    Route(
        "POST",
        "/v1/admin/members/{member_id}/codes/{code}/revoke",
        "revoke_members_code",
        Auth.ADMIN,
        Members.revoke_code,
        summary="Revoke a member's code",
        limits=("admin",),
        body=Explanation,
        example={**_EXAMPLE, **_REASON, "code": "00000-00000"},
        response=MemberAccount,
    ),
    Route(
        "POST",
        "/v1/admin/members/{member_id}/display-name/clear",
        "clear_display_name",
        Auth.ADMIN,
        Members.clear_display_name,
        summary="Remove the name that a member has chosen for the leaderboards",
        limits=("admin",),
        body=Explanation,
        example={**_EXAMPLE, "reason": "the name insults people"},
        response=MemberAccount,
    ),
)
