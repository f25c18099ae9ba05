"""Measure cluster analysis: CPU and memory, their growth, and networkx on the same columns.

    python benchmarks/clusters.py [MILLIONS]

Every size runs in separate processes, on one core: one appends the transfers to the columns on
disk, segment by segment, another analyses them. Times are CPU seconds of a process, so that other
work on the machine counts little. Bounded are ratios of two measurements of the same process, and
memory:

- the analysis to one sort of the same transfers by sender and recipient: any method that groups
  transfers has to sort or hash them at least once. What an analysis takes for any token with as
  many holders as are listed is subtracted: a list of 5,000 holders takes as long for 20,000
  transfers as for ten million, and would be most of the time of a small token;
- the time per transfer beyond the lists, from a million transfers on: a million is sorted at once,
  more are sorted in parts, which are merged. Up to a million both ratios are medians of rounds;
- the most memory that the process of the analysis holds, mapped files and libraries included; how
  much of it is mapped, which the system may take back, is printed;
- the part that finds the groups to the same in networkx; both must find the same groups. networkx
  needs 1.5 kB for each transfer, so it runs up to a million.
"""

import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from benchmarks.bounds import Bound, check_bounds
from compute.analysis import Labels, Parameters, analyse
from compute.analysis.graph import attaching, components
from compute.analysis.labels import ZERO
from compute.analysis.ledger import Ledger, replay
from compute.chain_facts import ChainFacts, Code, Funding, PinnedBlock, TokenInfo
from compute.columns import open_columns
from compute.merging import append_segments, missing_segments
from compute.transfers import Transfers
from contracts.chains import checksum_address
from contracts.cluster_report import ClusterReport

ROUNDS = 3
"""Analyses of one size up to a million transfers, each with its lists and its sort next to it."""
MAX_SORTS = 16.0
"""CPU time of the analysis beyond that of the lists, in sorts of the same transfers."""
LISTED = 20_000
"""Transfers of a token that has as many holders as are listed."""
MAX_BYTES = 300.0
"""Resident memory for each transfer, beyond what the process holds before."""
MIN_SPEEDUP = 10.0
MAX_GROWTH = 2.5
"""Growth of the time per transfer beyond the lists, from `COMPARED` to the largest size."""
FEW = 100_000
COMPARED = 1_000_000
"""Transfers up to which networkx runs."""
SEGMENT = 50_000
UNIT = 10**18


class Simulation:
    """Simulate transfers: half buys from a pool, a fifth groups of ten, the rest random."""

    def __init__(self, count: int) -> None:
        self.count, self.people = count, count // 4
        self.pool, self.deployer, self.zero = self.people, self.people + 1, self.people + 2
        self.chance = np.random.default_rng(7)

    def names(self, numbers: Any) -> Any:
        """Return the addresses (k, 20) of people, the pool, the deployer and the zero address."""
        numbers = np.asarray(numbers, np.uint64)
        names = np.zeros((len(numbers), 20), np.uint8)
        names[:, :4] = _big_endian(numbers * np.uint64(2_654_435_761) % np.uint64(2**32))
        names[:, 16:] = _big_endian(numbers)
        names[numbers == self.zero] = 0
        return names

    def segments(self) -> Iterator[tuple[str, Transfers]]:
        """Yield all transfers, a range of blocks at a time."""
        sender, recipient = self._ends()
        for start in range(0, self.count, SEGMENT):
            part = slice(start, min(start + SEGMENT, self.count))
            yield f"{start}", self._segment(start, sender[part], recipient[part])

    def _ends(self) -> tuple[Any, Any]:
        grouped, buys = self.count // 5, self.count // 2
        stray = self.count - grouped - buys - 2
        order = np.concatenate(([0, 1], 2 + self.chance.permutation(self.count - 2)))
        centres = np.arange(grouped) // 10 * 10 % self.people
        members = (centres + 1 + np.arange(grouped) % 9) % self.people
        strays = self.chance.integers(0, self.people, (2, stray))
        sender = np.concatenate(
            ([self.zero, self.deployer], centres, np.full(buys, self.pool), strays[0])
        ).astype(np.uint32)[order]
        recipient = np.concatenate(
            ([self.deployer, self.pool], members, np.arange(buys) % self.people, strays[1])
        ).astype(np.uint32)[order]
        return sender, recipient

    def _segment(self, start: int, sender: Any, recipient: Any) -> Transfers:
        rows = np.arange(start, start + len(sender))
        value = np.zeros((len(rows), 32), np.uint8)
        value[:, 21:24] = self.chance.integers(1, 256, (len(rows), 3), np.uint8)
        large = np.flatnonzero((sender % 500 == 0) & (sender < self.people))  # the rest is dust
        value[large, 13] = self.chance.integers(1, 256, len(large), np.uint8)
        if start == 0:  # the supply, and half of it to the pool
            value[:2, :24] = 0
            value[0, 10], value[1, 10] = 2, 1
        return Transfers.of(
            block=1 + rows,
            log_index=np.zeros(len(rows)),
            tx=np.hstack((np.zeros((len(rows), 28), np.uint8), _big_endian(rows))),
            sender=self.names(sender),
            recipient=self.names(recipient),
            value=value,
        )

    def facts(self, supply: int) -> ChainFacts:
        """Return first funders of the first thousand people."""
        names = self.names(np.arange(self.zero + 1)[[*range(min(1_000, self.people)), -3, -2]])
        *people, pool, deployer = [f"0x{name.tobytes().hex()}" for name in names]
        shared = "0x" + "99" * 20
        funders = {
            people[n]: Funding(
                shared if n % 25 == 0 else people[n // 20 * 20], "0x" + "11" * 32, 1, 1
            )
            for n in range(1, len(people))
        }
        return ChainFacts(
            chain_id=1,
            pinned=PinnedBlock(self.count, "0x" + "22" * 32, 10**9, finalized=True),
            token=TokenInfo("0x" + "70" * 20, "T", "T", 18, supply, deployer, 1),
            codes={pool: Code(1_000, "0x" + "33" * 32, b"\x60")},
            funders=funders,
        )


def _big_endian(numbers: Any) -> Any:
    return np.asarray(numbers).astype(">u4").view(np.uint8).reshape(-1, 4)


UNCHECKED: Final = Parameters(
    sender_acted=False, funded_acted=False, service_nonce=0, own_life_nonce=0
)
"""Parameters for transfers without facts about who sent them."""


def ours(transfers: Transfers, facts: ChainFacts) -> ClusterReport:
    analysis = analyse(transfers, facts, Labels("none"), UNCHECKED, chain="ethereum", computed_at=1)
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


def groups_of_networkx(transfers: Transfers, held: int) -> list[set[int]]:
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
        if value * 5 >= received[recipient] and value * 1_000_000 >= held:
            groups.add_edge(sender, recipient)
    home = {
        node: number for number, part in enumerate(nx.connected_components(groups)) for node in part
    }
    sweeps = [
        (sender, recipient)
        for sender, recipient, value in graph.edges(data="value")
        if value * 2 > sent[sender]
        and value * 1_000_000 >= held
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


def measure(count: int, directory: Path) -> dict[str, float]:
    """Analyse the columns in this process, and check that networkx finds the same groups."""
    transfers, simulation = open_columns(directory), Simulation(count)
    lists = seconds_of_lists()
    before = peak_bytes()
    facts = simulation.facts(transfers.amount(0))
    with memory_by_kind() as most:
        seconds, report = timed(lambda: ours(transfers, facts))
    peak = peak_bytes()
    rounds = [(seconds, lists, seconds_of_sort(transfers))]
    for _ in range(ROUNDS - 1 if count <= COMPARED else 0):
        lists = seconds_of_lists()
        forget(transfers)
        seconds, _ = timed(lambda: ours(transfers, facts))
        rounds.append((seconds, lists, seconds_of_sort(transfers)))
    row: dict[str, float] = {
        "transfers": count,
        "seconds": statistics.median(seconds for seconds, _, _ in rounds),
        "lists": statistics.median(lists for _, lists, _ in rounds),
        "sorts": statistics.median((seconds - lists) / sort for seconds, lists, sort in rounds),
        "megabytes": peak / 2**20,
        "anonymous": most["RssAnon"] / 2**20,
        "mapped": most["RssFile"] / 2**20,
        "bytes": (peak - before) / count,
        "clusters": report.num_clusters,
    }
    if count <= COMPARED:
        row |= compare(transfers)
    return row


def seconds_of_sort(transfers: Transfers) -> float:
    """Measure one sort; a few of them, since it is short."""
    sort = partial(np.lexsort, (transfers.recipient, transfers.sender))
    return statistics.median(timed(sort)[0] for _ in range(3))


def seconds_of_lists() -> float:
    """Measure a token with few transfers, but as many holders as are listed."""
    simulation = Simulation(LISTED)
    small = Transfers.concatenate([part for _, part in simulation.segments()])
    facts = simulation.facts(small.amount(0))
    ours(small, facts)  # the first use imports modules
    replay.cache_clear()
    checksum_address.cache_clear()
    seconds, _ = timed(lambda: ours(small, facts))
    checksum_address.cache_clear()
    return seconds


@contextmanager
def memory_by_kind() -> Iterator[dict[str, int]]:
    """Record the most bytes of each kind that this process holds, by looking every 20 ms."""
    most, ended = {"RssAnon": 0, "RssFile": 0}, Event()

    def look() -> None:
        while not ended.wait(0.02):
            for line in Path("/proc/self/status").read_text().splitlines():
                kind, _, value = line.partition(":")
                if kind in most:
                    most[kind] = max(most[kind], int(value.split()[0]) * 1024)

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def compare(transfers: Transfers) -> dict[str, float]:
    """Find the groups with networkx, too."""
    held = held_in(replay(transfers, Parameters()))
    forget(transfers)
    our_seconds, our_groups = timed(lambda: groups_of_ours(transfers))
    networkx_seconds, their_groups = timed(lambda: groups_of_networkx(transfers, held))
    assert len(their_groups) == our_groups.max() + 1
    assert all(len(set(our_groups[list(part)].tolist())) == 1 for part in their_groups)
    return {"groups": our_seconds, "networkx": networkx_seconds}


def held_in(ledger: Ledger) -> int:
    """Return the sum of what all addresses but the zero address hold."""
    names = ledger.addresses
    return sum(b for n, b in enumerate(ledger.balances) if b > 0 and names[n] != ZERO)


def forget(transfers: Transfers) -> None:
    """Drop what an earlier replay has stored."""
    replay.cache_clear()
    if transfers.scratch is not None:
        for stored in transfers.scratch.glob("pairs-*"):
            shutil.rmtree(stored)


def merge(count: int, directory: Path) -> dict[str, float]:
    """Append the transfers to the columns as the service does, and measure that alone."""
    missing_segments(directory, [])
    seconds = 0.0
    for segment in Simulation(count).segments():
        seconds += timed(partial(append_segments, directory, [segment]))[0]
    return {"merge": seconds, "merge_megabytes": peak_bytes() / 2**20}


def peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_in_processes(count: int) -> dict[str, float]:
    """Measure one size in new processes, as memory is counted per process."""
    with tempfile.TemporaryDirectory() as directory:
        return _in_process(merge, count, Path(directory)) | _in_process(
            measure, count, Path(directory)
        )


def _in_process(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def grown(row: dict[str, float]) -> float:
    """Return the seconds per transfer that are not those of the lists."""
    return (row["seconds"] - row["lists"]) / row["transfers"]


def main() -> int:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    largest = int(float(sys.argv[1]) * 1_000_000) if len(sys.argv) > 1 else 1_000_000
    sizes = [size for size in (FEW, COMPARED) if size < largest] + [largest]
    rows = [measure_in_processes(size) for size in sizes]
    print(
        "  transfers   merge CPU s   CPU s   of lists   us/transfer   sorts   peak MB"
        "   anonymous   mapped   bytes/transfer   clusters   groups s   networkx s"
    )
    for row in rows:
        each = 1e6 * row["seconds"] / row["transfers"]
        line = f"{row['transfers']:>11,}  {row['merge']:>12.2f}  {row['seconds']:>6.2f}"
        line += f"  {row['lists']:>9.2f}  {each:>12.2f}  {row['sorts']:>6.1f}"
        line += f"  {row['megabytes']:>8.0f}  {row['anonymous']:>10.0f}  {row['mapped']:>7.0f}"
        line += f"  {row['bytes']:>15.0f}  {row['clusters']:>9,}"
        if "networkx" in row:
            line += f"  {row['groups']:>9.3f}  {row['networkx']:>11.2f}"
        print(line)
    last, compared = rows[-1], [row for row in rows if "networkx" in row][-1]
    growth = Bound(
        "time per transfer beyond the lists / the same of a million",
        grown(last) / grown(compared),
        most=MAX_GROWTH,
    )
    return check_bounds(
        Bound(
            "CPU of the analysis beyond the lists / one sort",
            last["sorts"],
            most=MAX_SORTS,
        ),
        Bound("resident memory, bytes per transfer", last["bytes"], most=MAX_BYTES),
        Bound("resident memory in all, GB", last["megabytes"] / 1024, most=2),
        *([growth] if largest > COMPARED else []),  # a smaller one has nothing to grow from
        Bound(
            "CPU of networkx / ours, for the groups",
            compared["networkx"] / compared["groups"],
            least=MIN_SPEEDUP,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
