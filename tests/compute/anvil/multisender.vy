# pragma version 0.4.3
# A multisender: takes the sum of all amounts from its caller, and pays each receiver.

interface Token:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable


@external
def send(token: address, receivers: DynArray[address, 100], amounts: DynArray[uint256, 100]):
    total: uint256 = 0
    for amount: uint256 in amounts:
        total += amount
    extcall Token(token).transferFrom(msg.sender, self, total)
    for i: uint256 in range(len(receivers), bound=100):
        extcall Token(token).transfer(receivers[i], amounts[i])
