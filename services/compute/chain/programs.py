"""Define the EVM programs that read many accounts in one `eth_call`.

Each is the init code of a contract that is never created: `eth_call` without `to` runs it at any
block, and returns what a creation would store as code. Its items follow the program in the same
bytes. It stops early when the gas or the space for the result runs out, and the result begins with
the number of items that it finished (4 bytes; the first is zero, as EIP-3541 forbids 0xef).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from compute.chain.assembler import assemble
from compute.chain_facts import CODE_START_BYTES

MAX_INIT_CODE: Final = 49_152
"""Bytes of program and items together, at most (EIP-3860)."""
MAX_RESULT: Final = 24_576
"""Bytes of the result, at most (EIP-170); each costs 200 gas, as code that is stored does."""
COUNT_BYTES: Final = 4
ADDRESS_BYTES: Final = 20
CALL_DATA_BYTES: Final = 36
"""A selector and one argument."""
RETURN_BYTES: Final = 256
"""Bytes of a function's return data that are kept."""
FUNCTION_GAS: Final = 300_000
"""Gas of one function call."""

_LOOP: Final = """
; Memory: the item from 0x0c on, so that its address is the word at 0; the result from 0x200 on.
    @items              ; where the next item is in the code
    0x204               ; where the next record goes in memory
loop:                   ; stack: item record
    CODESIZE DUP3 LT ISZERO        @done JUMPI   ; no item is left
    DUP1 {full} LT                 @done JUMPI   ; no space is left
    DUP1 200 MUL {gas} ADD GAS LT  @done JUMPI   ; no gas is left
    {item} DUP3 0x0c CODECOPY
    {body}
next:
    SWAP1 {item} ADD SWAP1
    @loop JUMP
done:
    SWAP1 @items SWAP1 SUB         ; bytes of the items that are done
    {item} SWAP1 DIV               ; their number
    0x1e4 MSTORE                   ; its last four bytes are at 0x200
    0x200 SWAP1 SUB 0x200 RETURN
items=
"""
_COINS: Final = """
    0 MLOAD BALANCE DUP2 MSTORE
    32 ADD
"""
_USED: Final = """
    0 MLOAD EXTCODEHASH ISZERO ISZERO DUP2 MSTORE8
    1 ADD
"""
_CODES: Final = f"""
    0 MLOAD EXTCODESIZE
    DUP1 {1 << 224} MUL DUP3 MSTORE              ; the size in four bytes
    SWAP1 4 ADD SWAP1
    ISZERO @next JUMPI
    0 MLOAD EXTCODEHASH DUP2 MSTORE              ; the hash
    {CODE_START_BYTES} 0 DUP3 32 ADD 0 MLOAD EXTCODECOPY
    {32 + CODE_START_BYTES} ADD
"""
_FUNCTIONS: Final = f"""
    0 0                                          ; no space for a result
    0x20 MLOAD 0 BYTE                            ; length of the data
    0x21 0 MLOAD {FUNCTION_GAS} STATICCALL
    {RETURN_BYTES} RETURNDATASIZE                ; the smaller of these two
    DUP2 DUP2 GT @cut JUMPI
    SWAP1
cut:
    POP                                          ; stack: item record success length
    SWAP1 @returned JUMPI
    POP 0 DUP2 MSTORE                            ; failed: two zero bytes
    2 ADD
    @next JUMP
returned:                                        ; stack: item record length
    DUP1 1 ADD {1 << 240} MUL DUP3 MSTORE        ; the length and 1, in two bytes
    SWAP1 2 ADD
    DUP2 0 DUP3 RETURNDATACOPY
    ADD
"""


@dataclass(frozen=True, slots=True)
class Program:
    """Hold a program's code, and how to read its result."""

    name: str
    code: bytes
    item: int
    """Bytes of an item."""
    length: Callable[[bytes], int]
    """Return the bytes of the record that these bytes begin with."""

    @property
    def most(self) -> int:
        """Number of items that one call can hold."""
        return (MAX_INIT_CODE - len(self.code)) // self.item

    def records(self, result: bytes, items: int) -> list[bytes]:
        """Return the record of each item that was finished, in order.

        Raises:
            ValueError: this is no result of the program for so many items.
        """
        count, at, found = int.from_bytes(result[:COUNT_BYTES], "big"), COUNT_BYTES, []
        if not 0 < count <= items or len(result) < COUNT_BYTES:
            raise ValueError(f"{count} of {items} items")
        for _ in range(count):
            size = self.length(result[at : at + COUNT_BYTES])
            found.append(result[at : at + size])
            at += size
        if at != len(result):
            raise ValueError(f"{len(result)} bytes instead of {at}")
        return found


def _program(
    name: str, body: str, length: Callable[[bytes], int], *, record: int, gas: int,
    item: int = ADDRESS_BYTES,
) -> Program:  # fmt: skip
    """Return a program whose records have `record` bytes and cost `gas` at most."""
    full = 0x200 + MAX_RESULT - record
    code = assemble(_LOOP.format(full=full, gas=gas, item=item, body=body))
    return Program(name, code, item, length)


def _code_length(record: bytes) -> int:
    return 4 + (32 + CODE_START_BYTES if any(record[:4]) else 0)


def _call_length(record: bytes) -> int:
    return 2 + max(0, int.from_bytes(record[:2], "big") - 1)


COINS: Final = _program("coins", _COINS, lambda _: 32, record=32, gas=20_000)
"""The native balance of each address, in 32 bytes. Every block knows it."""
USED: Final = _program("used", _USED, lambda _: 1, record=1, gas=20_000)
"""One byte for each address: 1 if it has coins, has sent a transaction, or has code.

EIP-1052: the code hash of an account that has none of these is 0. Blocks before Constantinople
(ethereum 7 280 000) do not know it.
"""
CODES: Final = _program(
    "codes", _CODES, _code_length, record=36 + CODE_START_BYTES, gas=30_000
)  # fmt: skip
"""For each address the code's size (4 bytes), and if that is not 0 its hash (32) and start."""
FUNCTIONS: Final = _program(
    "functions", _FUNCTIONS, _call_length, record=2 + RETURN_BYTES,
    gas=FUNCTION_GAS * 65 // 64 + 30_000, item=ADDRESS_BYTES + 1 + CALL_DATA_BYTES,
)  # fmt: skip
"""Call view functions: an item is an address, the length of the data, and the data.

A record is the length of the return data and 1 in two bytes, or 0 if the call failed, then the
first `RETURN_BYTES` of the data.
"""


def function_item(target: str, data: bytes) -> bytes:
    """Return the item of `FUNCTIONS` that calls `target`; `data` has 36 bytes at most."""
    return bytes.fromhex(target[2:]) + bytes([len(data)]) + data.ljust(CALL_DATA_BYTES, b"\0")
