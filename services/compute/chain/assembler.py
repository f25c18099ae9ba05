"""Assemble EVM programs from text: one instruction after the other, labels and comments."""

import re
from typing import Final

_OPCODES: Final = {
    "STOP": 0x00, "ADD": 0x01, "MUL": 0x02, "SUB": 0x03, "DIV": 0x04, "LT": 0x10, "GT": 0x11,
    "EQ": 0x14, "ISZERO": 0x15, "BYTE": 0x1A, "BALANCE": 0x31, "CALLER": 0x33, "CALLVALUE": 0x34,
    "CALLDATALOAD": 0x35, "CALLDATASIZE": 0x36, "CALLDATACOPY": 0x37, "CODESIZE": 0x38,
    "CODECOPY": 0x39, "EXTCODESIZE": 0x3B, "EXTCODECOPY": 0x3C, "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E, "EXTCODEHASH": 0x3F, "POP": 0x50, "MLOAD": 0x51, "MSTORE": 0x52,
    "MSTORE8": 0x53, "JUMP": 0x56, "JUMPI": 0x57, "GAS": 0x5A, "CALL": 0xF1, "RETURN": 0xF3,
    "STATICCALL": 0xFA, "REVERT": 0xFD,
    **{f"DUP{n}": 0x7F + n for n in range(1, 17)},
    **{f"SWAP{n}": 0x8F + n for n in range(1, 17)},
    **{f"LOG{n}": 0xA0 + n for n in range(5)},
}  # fmt: skip
_JUMPDEST: Final = 0x5B
_PUSH: Final = 0x5F
"""PUSH1 is one more; PUSH0 is not used, since blocks before 2023 do not know it."""
_LABEL_BYTES: Final = 2


def assemble(text: str) -> bytes:
    """Return the byte code of a program.

    A number pushes itself, `@name` pushes the position of a label, `name:` marks a place to jump
    to, and `name=` marks a position without an instruction. The rest of a line after `;` is a
    comment.
    """
    code, labels, references = bytearray(), dict[str, int](), dict[int, str]()
    for word in re.sub(r";.*", "", text).split():
        if word.endswith((":", "=")):
            labels[word[:-1]] = len(code)
            code += bytes([_JUMPDEST]) if word.endswith(":") else b""
        elif word.startswith("@"):
            references[len(code) + 1] = word[1:]
            code += bytes([_PUSH + _LABEL_BYTES, *bytes(_LABEL_BYTES)])
        elif word in _OPCODES:
            code.append(_OPCODES[word])
        else:
            code += _push(int(word, 0))
    for position, name in references.items():
        code[position : position + _LABEL_BYTES] = labels[name].to_bytes(_LABEL_BYTES, "big")
    return bytes(code)


def _push(number: int) -> bytes:
    width = max(1, (number.bit_length() + 7) // 8)
    return bytes([_PUSH + width]) + number.to_bytes(width, "big")
