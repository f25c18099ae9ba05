"""The demo token grows in three steps, and each changes its clusters as its name says."""

from compute.analysis import Labels, Parameters, analyse
from contracts.cluster_report import ClusterReport, compare
from deploy.local.chain import SimulatedChain
from deploy.local.chain.growth import Growth
from tests.compute.simulated_token import TOKEN, SimulatedToken, simulated_token

NO_LABELS = Labels("none", {})


def report(token: SimulatedToken) -> ClusterReport:
    output = analyse(
        token.transfers(), token.facts(), NO_LABELS, Parameters(), chain="local", computed_at=1
    )
    return output.report


def grown(steps: int) -> list[ClusterReport]:
    token = simulated_token(2_026, scale=2)
    growth, reports = Growth(token), [report(token)]
    for _ in range(steps):
        assert growth.grow() is not None
        reports.append(report(token))
    return reports


def test_each_step_changes_the_clusters_as_its_name_says() -> None:
    begun, launched, sold, merged = grown(3)
    at_launch = compare(begun, launched).changes
    assert sorted(len(each.joined) for each in at_launch if each.change == "new") == [7, 9]
    before = {cluster.label: cluster for cluster in launched.clusters}["deployer"]
    after = {cluster.label: cluster for cluster in sold.clusters}["deployer"]
    assert int(after.amount) < int(before.amount) * 0.6
    (change,) = [each for each in compare(sold, merged).changes if each.change == "merged"]
    assert len(change.others) == 2


def test_growth_is_the_same_every_time_and_ends() -> None:
    token, other = simulated_token(2_026), simulated_token(2_026)
    one, two = Growth(token), Growth(other)
    assert [one.grow() for _ in range(4)] == ["launch", "sell-off", "merge", None]
    for _ in range(4):
        two.grow()
    assert token.rows == other.rows


def test_a_chain_puts_what_grew_into_new_blocks() -> None:
    chain = SimulatedChain(simulated_token(2_026))
    before = {number: chain.hash_of(number) for number in (1, chain.head)}
    head = chain.head
    assert chain.answer("local_grow", []) == "launch"
    assert chain.head > head
    assert {number: chain.hash_of(number) for number in before} == before
    query = {"fromBlock": hex(head + 1), "toBlock": "latest", "address": TOKEN}
    assert len(chain.answer("eth_getLogs", [query])) == chain.head - head
