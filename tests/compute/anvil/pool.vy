# pragma version 0.4.3
# A pool of two tokens that sells the first to everyone, whatever they pay.

interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable

token0: public(immutable(address))
token1: public(immutable(address))


@deploy
def __init__(first: address, second: address):
    token0 = first
    token1 = second


@external
@payable
def buy(receiver: address, amount: uint256):
    extcall Token(token0).transfer(receiver, amount)
