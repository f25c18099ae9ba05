"""Find wallets that were set up by one funder, directly or through go-betweens."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from compute.analysis.acts import Acts
from compute.analysis.funded import Funded
from compute.analysis.graph import Edge
from compute.analysis.ledger import NO_ROW
from compute.analysis.lives import of_one_owner
from compute.analysis.nodes import Nodes
from compute.analysis.parameters import Parameters
from compute.analysis.regularity import in_a_row
from compute.chain_facts import ChainFacts


def funded_nodes(nodes: Nodes, facts: ChainFacts, parameters: Parameters) -> list[Funded]:
    """Return the first payments between wallets, services excepted, that can pay for something.

    A payment by a contract that the funder called counts only if the same transaction paid
    several: single withdrawals are also ordered by relayers of mixers and bridges.
    """
    together = Counter(
        (each.funder, each.tx_hash) for each in facts.funders.values() if each is not None
    )
    return [
        Funded(nodes.index[funding.funder], nodes.index[address], funding)
        for address, funding in sorted(facts.funders.items())
        if funding is not None
        and address in nodes.index
        and funding.funder != address
        and nodes.is_wallet(nodes.index[address])
        and nodes.is_wallet(nodes.index[funding.funder])
        and (funding.value is None or funding.value >= parameters.least_funding)
        and (funding.via is None or together[funding.funder, funding.tx_hash] > 1)
    ]


def by_funder(funded: list[Funded]) -> dict[int, list[Funded]]:
    """Return the payments of each funder."""
    found: dict[int, list[Funded]] = defaultdict(list)
    for each in funded:
        found[each.funder].append(each)
    return found


def is_go_between(
    node: int, nodes: Nodes, facts: ChainFacts, funded: int, parameters: Parameters
) -> bool:
    """Return True if a funder never had the token and did little but fund `funded` wallets."""
    nonce = facts.nonces.get(nodes.addresses[node])
    return (
        node >= nodes.holders_end and nonce is not None and nonce <= parameters.relay_nonce + funded
    )


def depths(nodes: Nodes, facts: ChainFacts, parameters: Parameters) -> dict[int, int]:
    """Return how many go-betweens there are from each funder down to the nearest holder."""
    found: dict[int, int] = {}
    wave = [node for node in map(nodes.index.get, facts.funders) if node is not None]
    wave = [node for node in wave if node < nodes.holders_end]
    for depth in range(1, parameters.hops + 2):
        above = []
        for node in wave:
            funding = facts.funders.get(nodes.addresses[node])
            funder = None if funding is None else nodes.index[funding.funder]
            if funder is not None and funder >= nodes.holders_end and funder not in found:
                found[funder] = depth
                above.append(funder)
        wave = above
    return found


def hubs(children: Mapping[int, list[Funded]], parameters: Parameters) -> dict[int, list[Funded]]:
    """Return the funders of more wallets than one owner has."""
    return {
        node: found for node, found in sorted(children.items()) if len(found) > parameters.hub_cap
    }


def funding_edges(acts: Acts) -> list[Edge]:
    """Return the edges from funders to the wallets that they set up, through go-betweens."""
    kept = list(_kept(acts))
    if acts.parameters.payments_in_a_row:
        kept = in_a_row(acts, kept)
    holding = [each for each in kept if each.node < acts.nodes.holders_end]
    fresh, mixed = of_one_owner(
        acts,
        holding,
        lambda each: each.funder,
        lambda each: each.node,
        lambda each: each.funding.tx_hash,
    )
    between = [each for each in kept if each.node >= acts.nodes.holders_end]
    kept = [*fresh, *(each for each in between if each.funder not in mixed)]
    while leaves := _leaves(kept, acts.nodes):
        kept = [each for each in kept if each.node not in leaves and each.funder not in leaves]
    parents = {each.node: each for each in kept}
    children = by_funder(kept)
    passing = {
        node
        for node, found in children.items()
        if len(found) == 1 and node >= acts.nodes.holders_end and node in parents
    }
    edges = []
    for each in kept:
        if each.node not in passing:
            funder, via = _through(each, parents, passing, acts.parameters.hops)
            if funder is not None:
                edges.append(_edge(each, funder, via, acts.nodes))
    return edges


def _through(
    funded: Funded, parents: Mapping[int, Funded], passing: set[int], hops: int
) -> tuple[int | None, list[int]]:
    """Return the first funder that is no mere go-between, and the go-betweens in order.

    None if there are more than `hops` go-betweens.
    """
    funder, via = funded.funder, list[int]()
    while funder in passing:
        if len(via) == hops:
            return None, via
        via.insert(0, funder)
        funder = parents[funder].funder
    return funder, via


def _kept(acts: Acts) -> Iterator[Funded]:
    """Yield the payments that are evidence."""
    nodes, facts, parameters = acts.nodes, acts.facts, acts.parameters
    funded = funded_nodes(nodes, facts, parameters)
    children = by_funder(funded)
    many = hubs(children, parameters)
    for each in funded:
        if each.funder in many or not acts.is_known_person(each.funder):
            continue
        if each.node < nodes.holders_end:
            if not parameters.funded_acted or _set_up(each, acts):
                yield each
        elif parameters.hops and is_go_between(
            each.node, nodes, facts, len(children[each.node]), parameters
        ):
            yield each


def _set_up(funded: Funded, acts: Acts) -> bool:
    """Return True if a wallet has acted, and had no tokens before its first coins.

    Any stranger can be the first to send coins to a wallet that holds tokens and was never used.
    """
    row = acts.ledger.first_row[funded.node]
    return acts.has_acted(funded.node) and (
        row == NO_ROW or funded.funding.block <= int(acts.ledger.transfers.block[row])
    )


def _leaves(kept: list[Funded], nodes: Nodes) -> set[int]:
    """Return the nodes that never had the token and that connect no others."""
    degree = Counter(end for each in kept for end in (each.funder, each.node))
    return {node for node, count in degree.items() if count == 1 and node >= nodes.holders_end}


def _edge(funded: Funded, funder: int, via: list[int], nodes: Nodes) -> Edge:
    why = "its first native coins"
    if via:
        why += f", through {len(via)} go-between{'s' if len(via) > 1 else ''}"
    contract = funded.funding.via
    if contract is not None:
        via = [*via, nodes.index[contract]]
    return Edge(
        "firstFunder", funder, funded.node, funded.funding.tx_hash, funded.funding.block, why,
        via=tuple(via),
    )  # fmt: skip
