from contracts.referral_code import shown
from contracts.referrals import UsersEntry
from referrals.projections import CODES, MEMBER_ENTRIES
from tests.referrals.examples import ALICE, CODE, ISSUED, OPENED


def entry_after(*events: object) -> UsersEntry | None:
    entry = None
    for event in events:
        entry = MEMBER_ENTRIES.fold(entry, event)  # type: ignore[arg-type]
    return entry


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


def test_without_a_code_there_is_nothing_to_refer_with() -> None:
    entry = entry_after(OPENED)
    assert entry is not None
    assert not entry.referral_is_valid


def test_a_code_leads_to_its_member() -> None:
    assert CODES.entries(ISSUED) == {CODE: f"member-{ALICE}"}
