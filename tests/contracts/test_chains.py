"""Addresses are shown with the capitals of EIP-55."""

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from contracts.chains import checksum_address


@pytest.mark.parametrize(
    "address",
    [  # from EIP-55
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_known_addresses(address: str) -> None:
    assert checksum_address(address.lower()) == address


@given(st.binary(min_size=20, max_size=20))
def test_checksums_are_those_of_eth_utils(raw: bytes) -> None:
    address = f"0x{raw.hex()}"
    assert checksum_address(address) == to_checksum_address(address)
