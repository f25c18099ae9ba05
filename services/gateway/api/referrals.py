"""Serve referrals: reserve a seat with a code, confirm it after sign-up, or release it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from chassis.views.lists import Lists
from chassis.views.read_models import ReadModels
from contracts.addresses import folded, typed_address
from contracts.messages import Identifier, UnixTime, VerifiedAddress, View
from contracts.referral_ids import ReferralIds
from contracts.referrals import (
    CODE_OWNERS,
    REFERRALS,
    RESERVED_SECONDS,
    ConfirmReferral,
    ReleaseReferral,
    ReserveReferral,
    UseState,
    UseView,
    shown_state,
)
from contracts.rejections import UNKNOWN_REFERRAL
from contracts.streams import MEMBERS
from gateway.api.code_guesses import CodeGuesses, read_code
from gateway.api.invitation_seats import InvitationSeats, Token
from gateway.api.own_address import own_address
from gateway.api.uses import find_use, owner_of_referral
from gateway.http.bodies import Body, Empty
from gateway.http.client_address import ClientAddresses
from gateway.http.command_responses import hide_position, pending_response
from gateway.http.commands import Commands
from gateway.http.problems import FieldError, invalid
from gateway.http.requests import id_in_path, read_body
from gateway.http.responses import Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

_EXAMPLE: Final = {"use_id": "0" * 32}


class NewReferral(Body):
    referral_code: Annotated[str, Field(max_length=64)]
    user: VerifiedAddress
    """The address of the person who was referred."""


class ReservedReferral(View):
    """A seat that is reserved for a person."""

    use_id: Identifier
    state: Literal["reserved", "confirmed", "held"] = "reserved"
    """`reserved`, unless the caller's token is the person's or a program's: then how it is now."""
    expires_at: UnixTime | None
    """When the seat is released, at the latest, unless the person has signed up; null once the
    person has. Repeating the request does not extend the reservation."""


class Confirmation(Body):
    sub: Identifier | None = None
    """For programs: the person who signed up. People confirm for themselves only."""
    invitation_token: Token | None = None
    """The token of the invitation: with another address, you learn which one was invited."""


class ConfirmedReferral(View):
    state: Literal["confirmed", "held", "rejected"]


@dataclass(frozen=True, slots=True)
class Referrals:
    """Serve referrals to the people who are referred, and to programs."""

    commands: Commands
    read_models: ReadModels
    guesses: CodeGuesses
    seats: InvitationSeats
    addresses: ClientAddresses
    ids: ReferralIds

    async def reserve(self, context: RequestContext) -> Response:
        """Reserve a seat with a referral code, before the person signs up.

        Callers who may be anyone get the same response whether or not the person has used a code
        of this referrer, by the same number of calls.
        """
        asked_at = int(time.time())
        body = await read_body(context, NewReferral)
        code = read_code(body.referral_code)
        verified = _check_address(context, body.user)
        command = ReserveReferral(
            member_id=await self._owner_of_code(context, code),
            code=code,
            invited_user=body.user,
            network=self.addresses.of(context.request),
            verified=verified,
        )
        accepted = await self.commands.execute(context, command)
        use_id, referral = await find_use(
            self.read_models, self.ids, MEMBERS.key(command.stream), body.user
        )
        reserved = ReservedReferral(use_id=use_id, expires_at=asked_at + RESERVED_SECONDS)
        if verified:
            if referral is None:
                return pending_response(context, accepted.command_id)
            reserved = _reserved(referral)
        hide_position(context)
        return json_response(reserved, 201, {"Location": f"/v1/referral/uses/{use_id}/confirm"})

    async def confirm(self, context: RequestContext) -> Response:
        """Take the reserved seat: with the invited person's ID token, or by a program."""
        body = await read_body(context, Confirmation)
        command = await self._confirmation(context, body)
        accepted = await self.commands.execute(context, command)
        referral = await Lists(self.read_models, REFERRALS).item(command.stream, command.use_id)
        if referral is None or referral.state == "reserved":
            return pending_response(context, accepted.command_id)
        hide_position(context)
        return json_response(ConfirmedReferral(state=_confirmed_state(referral.state)))

    async def release(self, context: RequestContext) -> Response:
        """Give a reserved seat back."""
        await read_body(context, Empty)
        use_id = id_in_path(context, "use_id", UNKNOWN_REFERRAL)
        owner = await owner_of_referral(self.read_models, use_id)
        await self.commands.execute(context, ReleaseReferral(member_id=owner, use_id=use_id))
        return Response(204)

    async def _owner_of_code(self, context: RequestContext, code: str) -> str | None:
        """Return the owner's id, or None for an unknown code; count it as a wrong guess.

        Raises:
            Problem: 429 if the caller has guessed too often.
        """
        await self.guesses.check(context)
        _, stream = await asyncio.gather(
            self.guesses.charge_use(context, code), self.read_models.entry(CODE_OWNERS, code)
        )
        await self.guesses.record(context, missed=stream is None)
        return None if stream is None else MEMBERS.key(stream)

    async def _confirmation(self, context: RequestContext, body: Confirmation) -> ConfirmReferral:
        """Return the command; the verified address of an ID token must be the invited one."""
        caller, use_id = context.caller, id_in_path(context, "use_id", UNKNOWN_REFERRAL)
        if caller.is_service:
            if body.sub is None:
                detail = "A program must name the person who signed up."
                raise invalid([FieldError("sub", detail)])
            owner = await owner_of_referral(self.read_models, use_id)
            return ConfirmReferral(member_id=owner, use_id=use_id, invited_id=body.sub)
        if body.sub not in (None, caller.subject):
            detail = "You can confirm for yourself only. Omit this field."
            raise invalid([FieldError("sub", detail)])
        invited_user = own_address(caller)
        if body.invitation_token is not None:
            await self.seats.check_address(body.invitation_token, use_id, invited_user)
        return ConfirmReferral(
            member_id=await owner_of_referral(self.read_models, use_id),
            use_id=use_id,
            invited_id=caller.subject,
            invited_user=invited_user,
            network=self.addresses.of(context.request),
        )


def _check_address(context: RequestContext, address: str) -> bool:
    """Return whether the address is verified; without that it must be one that gets mail.

    Raises:
        Problem: 422 for an address that was typed and cannot get mail.
    """
    if _is_verified(context, address):
        return True
    try:
        typed_address(address)
    except ValueError as error:
        raise invalid([FieldError("user", str(error))]) from error
    return False


def _is_verified(context: RequestContext, address: str) -> bool:
    """Return whether a token vouches for the address that a seat is reserved for."""
    caller = context.known_caller
    if caller is None:
        return False
    return caller.is_service or (
        caller.email is not None and folded(caller.email) == folded(address)
    )


def _reserved(use: UseView) -> ReservedReferral:
    """Return how a person's seat is, for a caller who may know."""
    state = shown_state(use.state)
    if state in ("confirmed", "held"):
        return ReservedReferral(use_id=use.use_id, state=state, expires_at=None)
    return ReservedReferral(use_id=use.use_id, expires_at=use.expires_at)


def _confirmed_state(state: UseState) -> Literal["confirmed", "held", "rejected"]:
    shown = shown_state(state)
    return shown if shown in ("confirmed", "held") else "rejected"


ROUTES: Final = (
    Route(
        "POST",
        "/v1/referral/uses",
        "referral_use",
        Auth.OPTIONAL,
        Referrals.reserve,
        summary="Use a code: reserve a seat for half an hour, until the person has signed up",
        guesses=True,
        limits=("uses",),
        success=201,
        body=NewReferral,
        example={"referralCode": "00000-00000", "user": "bob@example.com"},
        response=ReservedReferral,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/referral/uses/{use_id}/confirm",
        "confirm_referral_use",
        Auth.CLAIMANT,
        Referrals.confirm,
        summary="Take the seat after sign-up, with the invited person's ID token or by a program",
        limits=("writes",),
        body=Confirmation,
        example=_EXAMPLE,
        response=ConfirmedReferral,
        problems=(404, 409, 410),
    ),
    Route(
        "DELETE",
        "/v1/referral/uses/{use_id}",
        "release_referral_use",
        Auth.SERVICE,
        Referrals.release,
        summary="Give a reserved seat back",
        limits=("services",),
        success=204,
        example=_EXAMPLE,
        problems=(404,),
    ),
)
