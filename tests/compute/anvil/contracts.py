"""Encode transactions that create and call the contracts of the tests.

Each `.json` holds what `vyper -f method_identifiers,bytecode` made of the `.vy` next to it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Value = int | str | bytes | Sequence[int | str]
"""A number, an address, bytes, or a list of numbers or addresses."""


@dataclass(frozen=True)
class Contract:
    """Hold the code of a contract, and the selectors of its functions."""

    bytecode: str
    methods: Mapping[str, str]

    def creation(self, *values: Value) -> str:
        """Return the data of a transaction that creates the contract."""
        return self.bytecode + _encoded(values)

    def call(self, method: str, *values: Value) -> str:
        """Return the data of a transaction that calls the contract."""
        return self.methods[method] + _encoded(values)


def _compiled(name: str) -> Contract:
    found = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    return Contract(found["bytecode"], found["methods"])


def _encoded(values: Sequence[Value]) -> str:
    """Encode arguments as the contract ABI specifies; lists and bytes follow all others."""
    heads, tails = list[str](), ""
    for value in values:
        if isinstance(value, int | str):
            heads.append(_word(value))
        else:
            heads.append(_word(32 * len(values) + len(tails) // 2))
            tails += _word(len(value)) + _contents(value)
    return "".join(heads) + tails


def _contents(value: bytes | Sequence[int | str]) -> str:
    if isinstance(value, bytes):
        return value.hex() + "00" * (-len(value) % 32)
    return "".join(map(_word, value))


def _word(value: int | str) -> str:
    return f"{value if isinstance(value, int) else int(value, 16):064x}"


TOKEN: Final = _compiled("token")
POOL: Final = _compiled("pool")
MULTISENDER: Final = _compiled("multisender")
SINGLETON: Final = _compiled("singleton")


def safe_creation(singleton: str) -> str:
    """Return the data of a transaction that creates a Safe's proxy.

    Its code is that of the proxies of Safe 1.3.0, without the compiler's metadata.
    """
    code = (
        f"608060405273{'ff' * 20}600054167fa619486e{'00' * 28}60003514156050578060005260206000f3"
        "5b3660008037600080366000845af43d6000803e60008114156070573d6000fd5b3d6000f3fe"
    )
    store = f"73{singleton[2:]}600055"
    return f"0x{store}60{len(code) // 2:02x}8060236000396000f3{code}"
