"""State which amounts of a report are not exact, and why."""

from collections.abc import Iterator

from compute.analysis.holdings import Holdings
from compute.chain_facts import TRANSFERS_INCOMPLETE, ChainFacts
from contracts.cluster_report import Limit, Quality


def amount_limits(holdings: Holdings, quality: Quality, facts: ChainFacts) -> tuple[Limit, ...]:
    """Return the limits of the amounts; none if the transfers agree with the contract."""
    if quality.balances_verified:
        return ()
    return (
        *_log_limits(facts),
        *_supply_limits(holdings, facts),
        *_balance_limits(holdings),
    )


def _log_limits(facts: ChainFacts) -> Iterator[Limit]:
    if TRANSFERS_INCOMPLETE in facts.warnings:
        yield Limit(
            code=TRANSFERS_INCOMPLETE,
            text="The endpoints of this chain leave transfers out: some were found when blocks "
            "were read again, and the balances still differ. Clusters may be incomplete.",
        )


def _supply_limits(holdings: Holdings, facts: ChainFacts) -> Iterator[Limit]:
    said, held = facts.token.total_supply, holdings.held
    if holdings.unknown:
        share = holdings.share_of_supply(holdings.unknown)
        yield Limit(
            code="supply_held_by_unknown",
            text=f"{share:.1%} of what totalSupply() returns is held by addresses that appear in "
            "no transfer: it was issued without a log. It may belong to the people in this report.",
            share=share,
        )
    elif said != held:
        yield Limit(
            code="supply_misreported",
            text=f"totalSupply() returns {said}, but the known addresses hold {held}. All shares "
            "refer to what they hold.",
        )


def _balance_limits(holdings: Holdings) -> Iterator[Limit]:
    if holdings.differing:
        yield Limit(
            code="balances_from_contract",
            text="The transfers do not add up to these holders' balances: the token changes "
            "balances without a log, or takes fees. Amounts are what balanceOf returns; clusters "
            "follow from the transfers.",
            share=holdings.share_of_supply(holdings.amount_of(holdings.differing)),
        )
    if holdings.incredible:
        yield Limit(
            code="balances_misreported",
            text="balanceOf returns more than all that exists for some holders. Their amounts are "
            "what the transfers add up to.",
            share=holdings.share_of_supply(holdings.amount_of(holdings.incredible)),
        )
    if holdings.unverified:
        yield Limit(
            code="balances_from_transfers",
            text="These holders' balances were not read from the contract. Their amounts are what "
            "the transfers add up to, and may be wrong.",
            share=holdings.share_of_supply(holdings.unverified),
        )
