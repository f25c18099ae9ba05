"""Provide the code of the contracts of a world: real code where a method may recognise it."""

from random import Random
from typing import Final

from eth_utils.crypto import keccak

SAFE_1_3: Final = bytes.fromhex(
    "608060405273ffffffffffffffffffffffffffffffffffffffff600054167fa619486e00000000000000000000"
    "00000000000000000000000000000000000060003514156050578060005260206000f35b366000803760008036"
    "6000845af43d6000803e60008114156070573d6000fd5b3d6000f3fea2646970667358221220d1429297349653"
    "a4918076d650332de1a1068c5f3e07c5c82360c277770b955264736f6c63430007060033"
)
"""The proxy of a Safe, version 1.3.0."""
SAFE_1_4: Final = bytes.fromhex(
    SAFE_1_3.hex().replace(
        "d1429297349653a4918076d650332de1a1068c5f3e07c5c82360c277770b9552",
        "03d1488ee65e08fa41e58e888a9865554c535f2c77126a82cb4c0f917f314413",
    )
)
"""The proxy of a Safe, version 1.4.1."""
ERC1967: Final = bytes.fromhex(
    "363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d"
    "6000803e6038573d6000fd5b3d6000f3"
)
"""The minimal upgradeable proxy that several ERC-4337 accounts are."""
SAFE_SINGLETON: Final = "0x41675c099f32341bf84bfc5382af534df5c7461a"
ENTRY_POINT: Final = "0x0000000071727de22e5e9d8baf0edac6f37da032"
"""Version 0.7."""
MULTICALL: Final = "0xca11bde05977b3631167028862be2a173976ca11"
DELEGATE: Final = "0x63c0c19a282a1b52b07dd5a65b58948a07dae32b"
"""A public implementation that many accounts delegate to."""
TRANSFER: Final = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
USER_OPERATION: Final = (
    "0x"
    + keccak(text="UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)").hex()
)
SAFE_EXECUTED: Final = "0x" + keccak(text="ExecutionSuccess(bytes32,uint256)").hex()


def selector(signature: str) -> str:
    """Return the first four bytes of a function's hash, as hexadecimal digits."""
    return keccak(text=signature).hex()[:8]


def delegation(delegate: str = DELEGATE) -> bytes:
    """Return the code of an account that delegates by EIP-7702."""
    return bytes.fromhex("ef0100" + delegate[2:])


def minimal_proxy(implementation: str) -> bytes:
    """Return the code of a clone (EIP-1167)."""
    return bytes.fromhex(
        "363d3d373d3d3d363d73" + implementation[2:] + "5af43d82803e903d91602b57fd5bf3"
    )


def compiled(random: Random, size: int) -> bytes:
    """Return code that looks like a compiler's."""
    return bytes.fromhex("6080604052") + random.randbytes(size - 5)


def word(value: int | str) -> str:
    """Return a number or an address as the 64 digits of an ABI word."""
    return f"{value:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


def words(*values: int | str) -> bytes:
    """Return numbers and addresses as ABI words."""
    return bytes.fromhex("".join(map(word, values)))


def address_list(addresses: list[str]) -> bytes:
    """Return addresses as the ABI encoding of one dynamic array."""
    return words(32, len(addresses), *addresses)
