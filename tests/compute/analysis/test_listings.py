"""What is served next to a report: flows between holders, changes of balances, chart, score."""

from collections.abc import Mapping
from dataclasses import replace

from compute.analysis import AnalysisOutput, Labels, Parameters, analyse, required_facts
from compute.analysis.score import SCORED
from compute.analysis.times import DAY_SECONDS, BlockClock
from compute.chain_facts import ChainFacts
from compute.transfers import TransferRow, Transfers
from contracts.chains import checksum_address
from tests.compute.simulated_token import SUPPLY, SimulatedToken, hash_of

BLOCK_SECONDS = 600
BLOCKS_A_DAY = DAY_SECONDS // BLOCK_SECONDS


def output_of(
    rows: list[TransferRow], facts: ChainFacts, parameters: Parameters | None = None
) -> AnalysisOutput:
    return analyse(
        Transfers.of_rows(rows), facts, Labels("none"), parameters or Parameters(),
        chain="ethereum", computed_at=1,
    )  # fmt: skip


def aged() -> tuple[SimulatedToken, list[TransferRow], ChainFacts]:
    """A holder was paid 40, 10, 3 days and an hour ago; a block is made every ten minutes."""
    simulated = SimulatedToken(1)
    holder = simulated.new_wallet()
    head = 60 * BLOCKS_A_DAY
    days = (40, 10, 3, 0)
    rows = [
        simulated.rows[0],
        *(
            TransferRow(
                head - 6 - day * BLOCKS_A_DAY, 0, hash_of(day + 7), simulated.deployer, holder, 100
            )
            for day in days
        ),
    ]
    simulated.rows[:] = rows
    facts = simulated.facts()
    facts = replace(
        facts,
        funders={},
        pinned=replace(facts.pinned, number=head, timestamp=head * BLOCK_SECONDS),
    )
    return simulated, rows, facts


def with_times(rows: list[TransferRow], facts: ChainFacts) -> ChainFacts:
    """Answer what an analysis asks about blocks."""
    transfers = Transfers.of_rows(rows)
    while True:
        asked = required_facts(transfers, facts, Labels("none"), Parameters())
        if not asked.blocks:
            return facts
        times = {block: block * BLOCK_SECONDS for block in asked.blocks}
        facts = facts.merged(replace(facts, block_times=times, requested=asked))


def test_changes_of_balances_cover_a_day_a_week_and_a_month() -> None:
    simulated, rows, facts = aged()
    holders = {h.address: h for h in output_of(rows, with_times(rows, facts)).holders}
    holder = next(row.recipient for row in rows[1:])
    change = holders[checksum_address(holder)].change
    assert change is not None
    assert (change.day, change.week, change.month) == ("100", "200", "300")
    lost = holders[checksum_address(simulated.deployer)].change
    assert lost is not None
    assert (lost.day, lost.month) == ("-100", "-300")


def test_a_month_of_a_young_token_is_its_life() -> None:
    _, rows, facts = aged()
    late = [row for row in rows[1:] if row.block > 50 * BLOCKS_A_DAY]
    young = replace(facts, token=replace(facts.token, created_block=late[0].block), balances={})
    holders = output_of(late, with_times(late, young)).holders
    assert holders[0].change is not None
    assert holders[0].change.month == "200"


def test_changes_need_block_times_and_transfers_that_add_up() -> None:
    _, rows, facts = aged()
    assert all(holder.change is None for holder in output_of(rows, facts).holders)
    holder = rows[1].recipient
    rebased = replace(facts, balances={**facts.balances, holder: 5_000})
    listed = {h.address: h for h in output_of(rows, with_times(rows, rebased)).holders}
    assert listed[checksum_address(holder)].change is None


def test_a_clock_interpolates_and_knows_its_bounds() -> None:
    clock = BlockClock([100, 200, 300], [1_000, 2_000, 2_000])
    assert [clock.time_of(n) for n in (99, 100, 150, 200, 300, 301)] == [
        None, 1_000, 1_500, 2_000, 2_000, None,
    ]  # fmt: skip
    assert [clock.last_block_until(n) for n in (999, 1_000, 1_500, 1_999)] == [
        None, 100, 150, 199,
    ]  # fmt: skip


def traded() -> SimulatedToken:
    """A pool, a pair of one owner that pass tokens to and fro, and strangers."""
    simulated = SimulatedToken(1)
    pool, (one, other, stranger) = simulated.new_contract(), simulated.new_wallets(3)
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    simulated.transfer(pool, one, SUPPLY // 10)
    simulated.transfer(one, other, SUPPLY // 20)
    simulated.transfer(one, other, SUPPLY // 100)
    simulated.transfer(other, one, SUPPLY // 50)
    simulated.transfer(pool, stranger, SUPPLY // 10)
    simulated.transfer(stranger, stranger, SUPPLY // 10)
    simulated.same_owner(one, other)
    return simulated


def test_transfers_between_shown_holders_are_summed() -> None:
    simulated = traded()
    graph = output_of(simulated.rows, simulated.facts()).graph
    flows = {(flow.source.lower(), flow.target.lower()): flow for flow in graph.transfers}
    pairs = {(row.sender, row.recipient) for row in simulated.rows[1:-1]}
    assert flows.keys() == pairs
    (one, other) = simulated.owners[0]
    for source, target in ((one, other), (other, one)):
        rows = [row for row in simulated.rows if (row.sender, row.recipient) == (source, target)]
        flow = flows[source, target]
        assert (flow.amount, flow.count) == (str(sum(row.value for row in rows)), len(rows))
        assert (flow.first.block, flow.last.block) == (rows[0].block, rows[-1].block)
        assert flow.last.timestamp is not None
    assert [int(flow.amount) for flow in graph.transfers] == sorted(
        (int(flow.amount) for flow in graph.transfers), reverse=True
    )


def test_a_member_that_holds_nothing_is_an_intermediary() -> None:
    simulated = SimulatedToken(1)
    pool, (hub, left, right) = simulated.new_contract(), simulated.new_wallets(3)
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    simulated.transfer(pool, hub, SUPPLY // 10)
    for target in (left, right):
        simulated.transfer(hub, target, SUPPLY // 20)
    graph = output_of(simulated.rows, simulated.facts()).graph
    marked = {node.id for node in graph.nodes if node.intermediary}
    assert marked == {checksum_address(hub)}


def test_the_chart_counts_holders_over_time() -> None:
    simulated = traded()
    chart = output_of(simulated.rows, simulated.facts()).chart.items
    held: dict[int, int] = {}
    for point in chart:
        balances: dict[str, int] = {}
        for row in simulated.rows:
            if row.block <= point.block and row.sender != row.recipient:
                balances[row.sender] = balances.get(row.sender, 0) - row.value
                balances[row.recipient] = balances.get(row.recipient, 0) + row.value
        held[point.block] = sum(amount > 0 for amount in balances.values())
    assert {point.block: point.holders for point in chart} == held
    assert chart[-1].transfers == len(simulated.rows)
    assert chart[-1].top10 == 1
    assert [point.block for point in chart] == sorted(held)


def components(output: AnalysisOutput) -> Mapping[str, float]:
    return {each.name: each.score for each in output.score.components}


def test_a_score_is_the_weighted_sum_of_its_components() -> None:
    simulated = traded()
    score = output_of(simulated.rows, simulated.facts()).score
    assert sum(rule.weight for rule in SCORED.values()) == 100
    assert [each.name for each in score.components] == list(SCORED)
    total = sum(each.weight * each.score for each in score.components) / 100
    assert score.score == round(total)
    assert all(each.why for each in score.components)


def test_a_widely_held_token_scores_higher() -> None:
    few, many = traded(), SimulatedToken(2)
    pool = many.new_contract()
    many.transfer(many.deployer, pool, SUPPLY)
    for buyer in many.new_wallets(400):
        many.transfer(pool, buyer, SUPPLY // 500)
    low, high = (output_of(each.rows, each.facts()) for each in (few, many))
    assert low.score.score is not None
    assert high.score.score is not None
    assert high.score.score > low.score.score + 30
    assert components(high)["largestEntity"] == 100
    assert components(low)["deployer"] == 0


def test_a_token_without_holders_has_no_score() -> None:
    simulated = SimulatedToken(1)
    simulated.rows.clear()
    output = output_of([], simulated.facts())
    assert (output.score.score, output.chart.items, output.metadata.holders) == (None, (), 0)


def test_metadata_name_the_token_and_its_creation() -> None:
    simulated = traded()
    metadata = output_of(simulated.rows, simulated.facts()).metadata
    assert metadata.token.symbol == "SIM"
    assert (metadata.created.block, metadata.transfers) == (1, len(simulated.rows))
