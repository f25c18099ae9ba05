"""Load accounts as clients see them: with all of their referrals, however many."""

from chassis.views.lists import Lists
from chassis.views.read_models import Document, ReadModels
from contracts.referrals import (
    ACCOUNT_LISTS,
    ACCOUNTS,
    MAX_TOTAL_REFERRALS,
    MORE_REFERRALS,
    UsersEntry,
    lacks_referrals,
)


async def load_account(read_models: ReadModels, stream: str) -> Document[UsersEntry] | None:
    """Return a member's account, or None if the member has none.

    Raises:
        ReadModelsLost: Redis does not hold the read model at the moment.
    """
    document = await read_models.document(ACCOUNTS, stream)
    return None if document is None else await with_all_referrals(read_models, stream, document)


async def with_all_referrals(
    read_models: ReadModels, stream: str, document: Document[UsersEntry]
) -> Document[UsersEntry]:
    """Return the account with the referrals that are items of a list; most have none.

    Raises:
        ReadModelsLost: Redis does not hold the read model at the moment.
    """
    if not lacks_referrals(document.body):
        return document
    page = await Lists(read_models, ACCOUNT_LISTS).page(
        stream, MORE_REFERRALS, limit=MAX_TOTAL_REFERRALS, descending=False
    )
    if page.summary is None:  # the read model was replaced meanwhile
        return document
    account = page.summary.view.with_listed(row.view for row in page.items)
    return Document(account.model_dump_json().encode(), page.summary.version, UsersEntry)
