"""Find uses of codes: by the person's address, and by their ids."""

from chassis.views.lists import Lists
from chassis.views.read_models import ReadModels
from contracts.referral_ids import ReferralIds
from contracts.referrals import REFERRAL_OWNERS, REFERRALS, UseView
from contracts.rejections import UNKNOWN_REFERRAL
from contracts.streams import MEMBERS
from gateway.http.problems import not_found


async def find_use(
    read_models: ReadModels, ids: ReferralIds, referrer_id: str, address: str
) -> tuple[str, UseView | None]:
    """Return the id of a person's use of a referrer's codes, and the use if there is one."""
    possible = ids.use_ids(referrer_id, address)
    uses = await Lists(read_models, REFERRALS).items(MEMBERS.stream(referrer_id), possible)
    found = next((use for use in uses if use is not None), None)
    return (possible[0], None) if found is None else (found.use_id, found)


async def owner_of_referral(read_models: ReadModels, use_id: str) -> str:
    """Return the id of the member who referred a person.

    Raises:
        Problem: 404 if there is no such referral.
    """
    stream = await read_models.entry(REFERRAL_OWNERS, use_id)
    if stream is None:
        raise not_found(UNKNOWN_REFERRAL)
    return MEMBERS.key(stream)
