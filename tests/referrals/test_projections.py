"""Read models: the entry of a member, and the index of codes."""

from chassis.views.projection import ListState
from contracts.referral_code import shown
from contracts.referrals import NumberedReferral, StoredAccount, UsersEntry
from referrals.projections import code_entries, fold_entry
from tests.referrals.examples import ALICE, CODE, ISSUED, OPENED


def entry_after(*events: object) -> UsersEntry | None:
    state: ListState[StoredAccount, NumberedReferral] = ListState(None, {})
    for event in events:
        state = fold_entry(state, event)  # type: ignore[arg-type]
    return state.summary and UsersEntry.model_validate_json(state.summary.model_dump_json())


def test_a_new_member_has_ten_referrals_and_a_valid_code() -> None:
    assert entry_after(OPENED, ISSUED) == UsersEntry(
        user="alice@example.com",
        referral_code=shown(CODE),
        total_referrals=10,
        referrals_used=0,
        referrals_pending=0,
        referrals_remaining=10,
        referral_is_valid=True,
        codes=(shown(CODE),),
    )


def test_an_account_without_a_code_cannot_refer() -> None:
    account = entry_after(OPENED)
    assert account is not None
    assert not account.referral_is_valid


def test_a_code_is_indexed_to_its_owner() -> None:
    assert code_entries(ISSUED) == {CODE: f"member-{ALICE}"}
