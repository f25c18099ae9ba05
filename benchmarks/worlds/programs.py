"""Execute the programs that read many accounts of a world in one call."""

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from eth_utils.crypto import keccak

from compute.chain.programs import (
    ADDRESS_BYTES,
    CODES,
    COINS,
    COUNT_BYTES,
    FUNCTIONS,
    MAX_RESULT,
    RETURN_BYTES,
    USED,
    Program,
)
from compute.chain_facts import CODE_START_BYTES


class State(Protocol):
    """Answer what a program asks about an account, after a block."""

    def balance(self, address: str, block: int) -> int: ...

    def nonce(self, address: str, block: int) -> int: ...

    def code(self, address: str, block: int) -> bytes: ...

    def view(self, to: str, data: str, block: int) -> bytes | None: ...


def execute(state: State, data: bytes, block: int) -> bytes | None:
    """Return the result of a program; None if the data is none."""
    for program, record in _RECORDS:
        if data.startswith(program.code):
            answer = partial(record, state, block)
            return _run(program, data[len(program.code) :], answer)
    return None


def _run(program: Program, items: bytes, record: Callable[[bytes], bytes]) -> bytes:
    """Return the records of the items whose result has space."""
    done, result = 0, b""
    for at in range(0, len(items), program.item):
        found = record(items[at : at + program.item])
        if COUNT_BYTES + len(result) + len(found) > MAX_RESULT:
            break
        done, result = done + 1, result + found
    return done.to_bytes(COUNT_BYTES, "big") + result


def _coins(state: State, block: int, item: bytes) -> bytes:
    return state.balance(_address(item), block).to_bytes(32, "big")


def _used(state: State, block: int, item: bytes) -> bytes:
    address = _address(item)
    used = state.balance(address, block) or state.nonce(address, block)
    return bytes([bool(used or state.code(address, block))])


def _code(state: State, block: int, item: bytes) -> bytes:
    code = state.code(_address(item), block)
    size = len(code).to_bytes(4, "big")
    if not code:
        return size
    return size + keccak(code) + code[:CODE_START_BYTES].ljust(CODE_START_BYTES, b"\0")


def _function(state: State, block: int, item: bytes) -> bytes:
    length = item[ADDRESS_BYTES]
    data = item[ADDRESS_BYTES + 1 :][:length]
    result = state.view(_address(item), data.hex(), block)
    if result is None:
        return bytes(2)
    kept = result[:RETURN_BYTES]
    return (len(kept) + 1).to_bytes(2, "big") + kept


def _address(item: bytes) -> str:
    return "0x" + item[:ADDRESS_BYTES].hex()


_RECORDS: Final[tuple[tuple[Program, Callable[[State, int, bytes], bytes]], ...]] = (
    (COINS, _coins),
    (USED, _used),
    (CODES, _code),
    (FUNCTIONS, _function),
)
