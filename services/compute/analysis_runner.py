"""Merge and analyse transfers in a separate process, next to the event loop."""

import asyncio
import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from compute.calculations import (
    ChainProfile,
    append_stored,
    contradictions_of,
    next_facts,
    result_of,
)
from compute.chain_facts import ChainFacts, RequiredFacts
from compute.columns import StoredColumns, columns_until
from compute.contradictions import Contradictions
from compute.merging import evict, missing_segments
from compute.ports import AnalysisFailure, AnalysisResult, MergedTransfers
from compute.process import CallTimedOut, ProcessDied, SeparateProcess

SEGMENTS_AT_ONCE: Final = 8
"""Segments that are held in memory while they are merged: some megabytes each."""
_LOCK: Final = "lock"


class StoredSegments(Protocol):
    """Read segments as they are stored."""

    async def version(self, key: str) -> str:
        """Return what changes with the content of a segment."""

    async def read(self, key: str) -> bytes:
        """Return a segment."""


@dataclass(frozen=True, slots=True)
class LocalColumns:
    """Merge segments into columns on the local disk."""

    root: Path
    most_bytes: int
    """Disk space beyond which the columns of other tokens are deleted."""
    segments: StoredSegments
    process: SeparateProcess

    async def merged(
        self, chain_id: int, token: str, segments: Sequence[str], until: int
    ) -> StoredColumns:
        directory = self.root / str(chain_id) / token
        with _failures():
            versions = await asyncio.gather(*map(self.segments.version, segments))
            missing = await self.process.call(missing_segments, directory, versions)
            first = len(segments) - len(missing)
            for keys, new in _batches(segments[first:], missing):
                raw = await asyncio.gather(*map(self.segments.read, keys))
                parts = list(zip(new, keys, raw, strict=True))
                await self.process.call(append_stored, directory, parts)
            await self.process.call(evict, self.root, directory, self.most_bytes)
            return await self.process.call(columns_until, directory, until)


@dataclass(frozen=True, slots=True)
class ProcessAnalysisRunner:
    """Run each step of an analysis in the separate process."""

    chains: Mapping[int, ChainProfile]
    """By chain id."""
    process: SeparateProcess

    async def required_facts(self, transfers: MergedTransfers, facts: ChainFacts) -> RequiredFacts:
        with _failures():
            return await self.process.call(
                next_facts, transfers, facts, self.chains[facts.chain_id]
            )

    async def contradictions(
        self, transfers: MergedTransfers, facts: ChainFacts, ends: Sequence[int]
    ) -> Contradictions:
        with _failures():
            return await self.process.call(
                contradictions_of, transfers, facts, self.chains[facts.chain_id], ends
            )

    async def analyse(
        self, transfers: MergedTransfers, facts: ChainFacts, computed_at: int
    ) -> AnalysisResult:
        with _failures():
            return await self.process.call(
                result_of, transfers, facts, self.chains[facts.chain_id], computed_at
            )


@contextmanager
def _failures() -> Iterator[None]:
    """Let an analysis fail that this machine cannot carry out; other errors are the program's."""
    try:
        yield
    except MemoryError as error:
        raise AnalysisFailure(
            "too_large", "This token has more transfers than fit into the memory for analyses."
        ) from error
    except CallTimedOut as error:
        raise AnalysisFailure(
            "too_large", "This token takes longer to analyse than is allowed here."
        ) from error
    except ProcessDied as error:
        if error.killed:
            raise AnalysisFailure(
                "too_large",
                "The analysis was ended by the system, most likely for lack of memory. What was "
                "read so far is stored; request the analysis again later.",
            ) from error
        raise AnalysisFailure(
            "not_computable",
            "The analysis of this token has crashed. What was read so far is stored; request the "
            "analysis again later.",
        ) from error


def _batches(*columns: Sequence[str]) -> Iterator[list[Sequence[str]]]:
    """Yield a few rows of all columns at a time."""
    for start in range(0, len(columns[0]), SEGMENTS_AT_ONCE):
        yield [each[start : start + SEGMENTS_AT_ONCE] for each in columns]


@contextmanager
def columns_directory(parent: Path) -> Iterator[Path]:
    """Reserve a directory for this process, and keep what an earlier one left in it.

    Directories after it that no process uses are emptied: fewer processes need less space.
    """
    for number in count():
        with _locked(parent / str(number)) as directory:
            if directory is not None:
                for other in parent.glob("[0-9]*"):
                    if other.name.isdigit() and int(other.name) > number:
                        _empty(other)
                yield directory
                return


@contextmanager
def _locked(directory: Path) -> Iterator[Path | None]:
    """Yield the directory while this process has it alone; None if another process has it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield directory


def _empty(directory: Path) -> None:
    """Delete what is in a directory that no process uses; the file that is locked remains."""
    with _locked(directory) as unused:
        for each in () if unused is None else unused.iterdir():
            if each.name != _LOCK:
                shutil.rmtree(each)
