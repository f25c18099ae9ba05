"""Measure cluster analysis: CPU and memory, their growth, and networkx on the same columns.

    python benchmarks/clusters.py [MILLIONS]

Every size runs in a separate process, on one core. Times are CPU seconds of that process, so that
other work on the machine counts little. The transfers are in memory: reading them is the chain's
time. Three ratios are bounded, each of two measurements of the same process:

- the analysis to one sort of the same transfers by sender and recipient: any method that groups
  transfers has to sort or hash them at least once;
- peak memory to the bytes of the columns that hold the transfers;
- the part that finds the groups to the same in networkx; both must find the same groups.
"""

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from benchmarks.bounds import Bound, check_bounds
from compute.analysis import Labels, Parameters, analyse
from compute.analysis.graph import attaching, components
from compute.analysis.ledger import replay
from compute.chain_facts import ChainFacts, Funding, PinnedBlock, TokenInfo
from compute.transfers import Transfers
from contracts.cluster_report import ClusterReport

MAX_SORTS = 20.0
"""CPU time of the analysis, in sorts of the same transfers."""
MAX_COPIES = 8.0
"""Peak memory, in sizes of the columns that hold the transfers."""
MIN_SPEEDUP = 10.0
MAX_GROWTH = 1.5
"""Growth of the time per transfer, from the smallest size to the largest."""


def simulated(count: int) -> tuple[Transfers, ChainFacts]:
    """Return `count` transfers: half buys from a pool, a fifth groups of ten, the rest random."""
    chance = np.random.default_rng(7)
    people = count // 4
    pool, deployer, zero = people, people + 1, people + 2
    names = np.zeros((people + 3, 20), np.uint8)
    names[:-1, :8] = chance.integers(0, 256, (people + 2, 8), np.uint8)
    names[:-1, 16:] = _numbers(people + 2)
    grouped, buys = count // 5, count // 2
    stray = count - grouped - buys - 2
    centres = np.arange(grouped) // 10 * 10 % people
    members = (centres + 1 + np.arange(grouped) % 9) % people
    sender = np.concatenate(
        ([zero, deployer], centres, np.full(buys, pool), chance.integers(0, people, stray))
    )
    recipient = np.concatenate(
        ([deployer, pool], members, np.arange(buys) % people, chance.integers(0, people, stray))
    )
    later = 2 + chance.permutation(count - 2)
    order = np.concatenate(([0, 1], later))
    value = np.zeros((count, 32), np.uint8)
    value[:, 21:24] = chance.integers(1, 256, (count, 3), np.uint8)  # about 10^18 times 10^7
    value[:2, :16] = 0
    value[0, 10], value[1, 10] = 2, 1
    transfers = Transfers.of(
        block=np.arange(1, count + 1),
        log_index=np.zeros(count),
        tx=np.hstack((np.zeros((count, 28), np.uint8), _numbers(count))),
        sender=names[sender[order]],
        recipient=names[recipient[order]],
        value=value,
    )
    return transfers, _facts(transfers, names, pool, deployer)


def _numbers(count: int) -> Any:
    return np.arange(count, dtype=">u4").view(np.uint8).reshape(-1, 4)


def _facts(transfers: Transfers, names: Any, pool: int, deployer: int) -> ChainFacts:
    def text(index: int) -> str:
        return f"0x{names[index].tobytes().hex()}"

    shared_funder = "0x" + "99" * 20
    funders = {
        text(n): Funding(
            shared_funder if n % 25 == 0 else text(n // 20 * 20), "0x" + "11" * 32, 1, 1
        )
        for n in range(1, min(1_000, pool))
    }
    last = len(transfers)
    return ChainFacts(
        chain_id=1,
        pinned=PinnedBlock(last, "0x" + "22" * 32, 10**9, finalized=True),
        token=TokenInfo("0x" + "70" * 20, "T", "T", 18, transfers.amount(0), text(deployer), 1),
        contracts=frozenset({text(pool)}),
        funders=funders,
    )


def ours(transfers: Transfers, facts: ChainFacts) -> ClusterReport:
    analysis = analyse(
        transfers, facts, Labels("none"), Parameters(), chain="ethereum", computed_at=1
    )
    return analysis.report


def groups_of_ours(transfers: Transfers) -> NDArray[np.int32]:
    """Return for each address the number of its group, taking every address for a person."""
    ledger, count = replay(transfers, Parameters()), len(transfers.addresses)
    uniting, sweeps = ledger.first_sources, ledger.sweeps
    groups = components(count, uniting.source, uniting.target)
    joining = sweeps.where(attaching(groups, sweeps.source, sweeps.target))
    return components(
        count,
        np.concatenate((uniting.source, joining.source)),
        np.concatenate((uniting.target, joining.target)),
    )


def groups_of_networkx(transfers: Transfers, supply: int) -> list[set[int]]:
    """Find the same groups in the same columns with networkx."""
    graph: Any = nx.DiGraph()
    graph.add_nodes_from(range(len(transfers.addresses)))
    first: dict[int, int] = {}
    rows = zip(transfers.sender.tolist(), transfers.recipient.tolist(), strict=True)
    for row, (sender, recipient) in enumerate(rows):
        value = transfers.amount(row)
        if not value or sender == recipient:
            continue
        first.setdefault(recipient, sender)
        if graph.has_edge(sender, recipient):
            graph[sender][recipient]["value"] += value
        else:
            graph.add_edge(sender, recipient, value=value)
    received, sent = dict(graph.in_degree(weight="value")), dict(graph.out_degree(weight="value"))
    groups: Any = nx.Graph()
    groups.add_nodes_from(graph)
    for recipient, sender in first.items():
        value = graph[sender][recipient]["value"]
        if value * 20 >= received[recipient] and value * 1_000_000 >= supply:
            groups.add_edge(sender, recipient)
    home = {
        node: number for number, part in enumerate(nx.connected_components(groups)) for node in part
    }
    sweeps = [
        (sender, recipient)
        for sender, recipient, value in graph.edges(data="value")
        if value * 2 > sent[sender]
        and value * 1_000_000 >= supply
        and home[sender] != home[recipient]
    ]
    goals: dict[int, set[int]] = {}
    for sender, recipient in sweeps:
        goals.setdefault(home[sender], set()).add(home[recipient])
    groups.add_edges_from((s, r) for s, r in sweeps if len(goals[home[s]]) == 1)
    return list(nx.connected_components(groups))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    before = time.process_time()
    result = work()
    return time.process_time() - before, result


def measure(count: int) -> dict[str, float]:
    """Measure one size in this process, and check that both ways lead to the same groups."""
    ours(*simulated(2_000))  # the first use imports modules
    before = peak_bytes()
    transfers, facts = simulated(count)
    seconds, report = timed(lambda: ours(transfers, facts))
    peak = peak_bytes() - before
    sort, _ = timed(lambda: np.lexsort((transfers.recipient, transfers.sender)))
    supply = facts.token.total_supply
    our_seconds, our_groups = timed(lambda: groups_of_ours(transfers))
    networkx_seconds, their_groups = timed(lambda: groups_of_networkx(transfers, supply))
    assert len(their_groups) == our_groups.max() + 1
    assert all(len(set(our_groups[list(part)].tolist())) == 1 for part in their_groups)
    return {
        "transfers": count,
        "seconds": seconds,
        "sort": sort,
        "megabytes": peak / 2**20,
        "copies": peak / column_bytes(transfers),
        "clusters": report.num_clusters,
        "groups": our_seconds,
        "networkx": networkx_seconds,
    }


def peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def column_bytes(transfers: Transfers) -> int:
    """Return the size of all columns together."""
    columns = (getattr(transfers, each.name) for each in fields(transfers))
    return sum(column.nbytes for column in columns if isinstance(column, np.ndarray))


def measure_in_process(count: int) -> dict[str, float]:
    """Run `measure` in a separate process, as memory is counted per process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (count,))


def main() -> int:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    largest = int(float(sys.argv[1]) * 1_000_000) if len(sys.argv) > 1 else 1_000_000
    sizes = [size for size in (10_000, 100_000) if size < largest] + [largest]
    rows = [measure_in_process(size) for size in sizes]
    print(" transfers   CPU s   us/transfer   sorts   peak MB   clusters   groups s   networkx s")
    for row in rows:
        each = 1e6 * row["seconds"] / row["transfers"]
        line = f"{row['transfers']:>10,}  {row['seconds']:>6.2f}  {each:>12.2f}"
        line += f"  {row['seconds'] / row['sort']:>6.1f}  {row['megabytes']:>8.0f}"
        line += f"  {row['clusters']:>9,}  {row['groups']:>9.3f}  {row['networkx']:>11.2f}"
        print(line)
    first, last = rows[0], rows[-1]
    growth = last["seconds"] / last["transfers"] * first["transfers"] / first["seconds"]
    return check_bounds(
        Bound(
            "CPU of the analysis / one sort of the transfers",
            last["seconds"] / last["sort"],
            most=MAX_SORTS,
        ),
        Bound("peak memory / bytes of the columns", last["copies"], most=MAX_COPIES),
        Bound("time per transfer, largest / smallest size", growth, most=MAX_GROWTH),
        Bound(
            "CPU of networkx / ours, for the groups",
            last["networkx"] / last["groups"],
            least=MIN_SPEEDUP,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
