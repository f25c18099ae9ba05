"""Recognise accounts of persons, pools and burn addresses by what they are."""

import re
from typing import Final

from compute.chain_facts import Address, Code, Probe

DELEGATION: Final = bytes.fromhex("ef0100")
"""The code of an account that delegates by EIP-7702 begins with this; an address follows."""
_DELEGATION_BYTES: Final = 23
_CLONE: Final = (
    bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3"),
)  # fmt: skip
"""The code of a minimal proxy (EIP-1167), before and after the implementation's address."""
_SAFE_PROXY: Final = bytes.fromhex(
    "608060405273ffffffffffffffffffffffffffffffffffffffff600054167fa619486e"
)
"""The code of a Safe's proxy, versions 1.1.1 to 1.5, begins with this: the singleton's address in
the first slot, and an answer to `masterCopy()`."""
_ERC1967_SLOT: Final = bytes.fromhex(
    "360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
)
"""Where upgradeable proxies keep their implementation: part of the code of every such proxy."""
_PROXY_BYTES: Final = 2_000
"""A proxy has less code than this."""
ENTRY_POINTS: Final = frozenset({
    "0x5ff137d4b0fdcd49dca30c7cf57e578a026d2789",
    "0x0000000071727de22e5e9d8baf0edac6f37da032",
    "0x4337084d9e255ff0702461cf8895ce9e3b5ff108",
    "0x433709009b8330fda32311df1c2afa402ed8d009",
})  # fmt: skip
"""The contracts that execute the operations of ERC-4337 accounts, versions 0.6 to 0.9."""
ACCOUNT_IMPLEMENTATIONS: Final = frozenset({
    "0xd9db270c1b5e3bd161e8c8503c55ceabee709552",
    "0x3e5c63644e683549055b9be8653de26e0b4cd36e",
    "0x41675c099f32341bf84bfc5382af534df5c7461a",
    "0x29fcb43b46531bca003ddc8fcb67ffe91900c762",
    "0x34cfac646f301356faa8b21e94227e3583fe3f5f",
    "0x6851d6fdfafd08c0295c392436245e5bc78b0185",
    "0xb00ce5cccdef57e539ddced01df43a13855d9910",
    "0x69f4d1788e39c87893c980c06edf4b7f686e2938",
    "0xfb1bffc9d739b8d520daf37df666da4c687191ea",
    "0x1727c2c531cf966f902e5927b98490fdfb3b2b70",
    "0xc35f063962328ac65ced5d4c3fc5def8dec68dfa",
    "0x610fca2e0279fa1f8c00c8c2f71df522ad469380",
    "0xff51a5898e281db6dfc7855790607438df2ca44b",
    "0xedd160febbd92e350d4d398fb636302fccd67c7e",
})  # fmt: skip
"""Singletons of Safe, versions 1.1.1 to 1.5.0, that clones delegate to; from the deployments that
its maintainers publish (https://github.com/safe-global/safe-deployments, commit d0989c9)."""
_ZEROS: Final = re.compile("0{12,}")
_LAST_RESERVED: Final = 0xFFFF
"""Addresses up to here are precompiled contracts or reserved for them."""
_WORD: Final = 32


def is_delegation(code: Code) -> bool:
    """Return True if the code is that of an account that delegates by EIP-7702."""
    return code.size == _DELEGATION_BYTES and code.start.startswith(DELEGATION)


def account_of(code: Code, probe: Probe | None) -> str | None:
    """Return what makes an address with code a person's account; None if nothing does."""
    if is_delegation(code):
        return "an account that delegates by EIP-7702"
    if code.start.startswith(_SAFE_PROXY) and code.size < _PROXY_BYTES:
        return "a Safe, by its code"
    implementation = clone_of(code)
    if implementation in ACCOUNT_IMPLEMENTATIONS:
        return f"an account, a clone of {implementation}"
    if probe is not None and (implementation is not None or _is_proxy(code)):
        return _probed_account(probe)
    return None


def _probed_account(probe: Probe) -> str | None:
    if _address(probe.results.get("entryPoint()")) in ENTRY_POINTS:
        return "an ERC-4337 account, by its code and entry point"
    if {"getOwners()", "getThreshold()"} <= probe.results.keys():
        return "a Safe, by its owners and threshold"
    return None


def clone_of(code: Code) -> Address | None:
    """Return the implementation of a minimal proxy (EIP-1167)."""
    before, after = _CLONE
    inside = code.start[len(before) : len(before) + 20]
    if code.start == before + inside + after:
        return f"0x{inside.hex()}"
    return None


def _is_proxy(code: Code) -> bool:
    return code.size < _PROXY_BYTES and (
        _ERC1967_SLOT in code.start or code.start.startswith(_SAFE_PROXY[:28])
    )


def pool_of(probe: Probe | None, token: Address) -> str | None:
    """Return what makes a contract a pool of the token; None if nothing does."""
    if probe is None:
        return None
    found = probe.results
    pair = {_address(found.get("token0()")), _address(found.get("token1()"))}
    if token in pair and len(pair - {None}) == 2:  # noqa: PLR2004  a pair
        return "a pool, by token0() and token1()"
    for signature, why in _POOLS.items():
        if signature in found:
            return why
    return None


_POOLS: Final = {
    "getPoolId()": "a pool of Balancer, by getPoolId()",
    "coins(uint256)": "a pool of Curve, by coins(uint256)",
}


def locker_of(probe: Probe | None) -> str | None:
    """Return what makes a contract a lock that opens at a time; None if nothing does."""
    if probe is not None and {"beneficiary()", "releaseTime()"} <= probe.results.keys():
        return "a lock, by beneficiary() and releaseTime()"
    return None


def looks_constructed(address: Address) -> bool:
    """Return True if no one has found a key for the address: it is reserved, or a text in zeros.

    Twelve zeros in a row take 2^48 trials; half the digits zero, or three digits only, as many.
    """
    digits = address[2:]
    return (
        int(digits, 16) <= _LAST_RESERVED
        or _ZEROS.search(digits) is not None
        or digits.count("0") >= len(digits) // 2
        or len(set(digits)) <= 3  # noqa: PLR2004
    )


def _address(result: bytes | None) -> Address | None:
    if result is None or len(result) != _WORD or any(result[:12]):
        return None
    return f"0x{result[12:].hex()}"
