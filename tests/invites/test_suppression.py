from contracts.invites import AddressSuppressed, SuppressAddress
from invites.domain import SUPPRESSIONS
from tests.invites.examples import KEY
from tests.support.scenario import NOON, Scenario

suppression = Scenario(SUPPRESSIONS)


def test_an_address_is_suppressed_once_and_keeps_the_first_reason() -> None:
    command = SuppressAddress(address_key=KEY, reason="bounce")
    suppressed = AddressSuppressed(address_key=KEY, reason="bounce", suppressed_at=NOON.at)
    suppression.when(command).then(suppressed)
    other = SuppressAddress(address_key=KEY, reason="complaint")
    suppression.given(suppressed).when(other).then_nothing()
