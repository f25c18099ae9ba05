"""Word the rejections that both the gateway and a service send.

Callers must not be able to tell which of the two rejected a request: a difference would reveal
which codes, referrals and invitations exist.
"""

from typing import Final

CODE_NOT_USABLE: Final = (
    "This referral code cannot be used. Check its spelling or ask for another one."
)
UNKNOWN_CODE: Final = "You do not have a code like this. Check its spelling and try again."
UNKNOWN_ACCOUNT: Final = "There is no account with this id. Check the id and try again."
UNKNOWN_REFERRAL: Final = "There is no such referral. Check its id and try again."
UNKNOWN_INVITATION: Final = "There is no such invitation. Check that the link is complete."
INVITATION_REPLACED: Final = "A newer mail has replaced this one. Use the link in the latest mail."
INVITATION_REVOKED: Final = (
    "This invitation has been withdrawn. Ask the person who invited you for a new one."
)
INVITATION_EXPIRED: Final = (
    "This invitation has expired. Ask the person who invited you for a new one."
)
