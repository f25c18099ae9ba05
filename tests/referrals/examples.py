"""One member's story, told once."""

from contracts import referral_code
from contracts.referrals import AccountOpened, CodeIssued, OpenAccount
from tests.support.scenario import NOON

ALICE = "b7f5c0de-0000-4000-8000-00000000a11c"
CODE = referral_code.from_entropy(NOON.entropy)

OPEN = OpenAccount(member_id=ALICE, email="Alice@Example.com")
OPENED = AccountOpened(
    member_id=ALICE, email="alice@example.com", total_referrals=10, opened_at=NOON.at
)
ISSUED = CodeIssued(member_id=ALICE, code=CODE, issued_at=NOON.at)
