"""Hold the kind of each node in one byte."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, get_args, overload

import numpy as np

from compute.analysis.amounts import Mask
from contracts.cluster_report import Kind

_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_CODES: Final = {kind: code for code, kind in enumerate(_KINDS)}


class Kinds(Sequence[Kind]):
    """Present the kinds of nodes as a sequence; all are personal accounts at first."""

    def __init__(self, count: int) -> None:
        """Hold the kinds of `count` nodes."""
        self._codes = np.full(count, _CODES["eoa"], np.uint8)

    def __len__(self) -> int:
        return len(self._codes)

    @overload
    def __getitem__(self, node: int) -> Kind: ...
    @overload
    def __getitem__(self, node: slice) -> Sequence[Kind]: ...
    def __getitem__(self, node: int | slice) -> Kind | Sequence[Kind]:
        """Return the kind of a node."""
        if isinstance(node, slice):
            return [_KINDS[int(code)] for code in self._codes[node]]
        return _KINDS[int(self._codes[node])]

    def replaced(self, nodes: Iterable[int], kind: Kind) -> "Kinds":
        """Return these kinds with another one for some nodes."""
        kinds = Kinds(len(self))
        kinds._codes[:] = self._codes
        kinds._codes[list(nodes)] = _CODES[kind]
        return kinds

    def __setitem__(self, node: int, kind: Kind) -> None:
        self._codes[node] = _CODES[kind]

    def __iter__(self) -> Iterator[Kind]:
        return (_KINDS[code] for code in self._codes)

    def are(self, *kinds: Kind) -> Mask:
        """Return (n,) which nodes are of one of these kinds."""
        return np.isin(self._codes, [_CODES[kind] for kind in kinds])


def are(kinds: Sequence[Kind], *wanted: Kind) -> Mask:
    """Return (n,) which nodes are of one of these kinds."""
    if isinstance(kinds, Kinds):
        return kinds.are(*wanted)
    return np.fromiter((kind in wanted for kind in kinds), bool, count=len(kinds))
