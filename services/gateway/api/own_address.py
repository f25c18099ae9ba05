"""Return the verified e-mail address of a person who calls."""

from cognito_jwt import Caller
from contracts.addresses import verified_address
from gateway.http.problems import Problem


def own_address(caller: Caller) -> str:
    """Return the address in the caller's ID token.

    Raises:
        Problem: 409 if there is none that the user pool has verified, or if it cannot be stored.
    """
    if caller.email is None:
        detail = (
            "Your sign-in has no verified e-mail address, which is needed here. Verify your "
            "address and sign in again. If you signed in without one, such as by phone, use "
            "another way to sign in."
        )
        raise Problem(409, "email_not_verified", detail)
    try:
        return verified_address(caller.email)
    except ValueError as error:
        detail = (
            "Your e-mail address cannot be used here: it is too long, incomplete, or contains "
            "invisible characters. Change it in your profile, verify it, and sign in again."
        )
        raise Problem(409, "email_not_usable", detail) from error
