# pragma version 0.4.3
# What a Safe's proxy delegates to, for one owner: it executes calls, and logs them as a Safe does.

event ExecutionSuccess:
    txHash: bytes32
    payment: uint256

singleton: address  # the proxy's first slot
owner: address
nonce: uint256


@external
def setup(owner: address):
    assert self.owner == empty(address)
    self.owner = owner


@external
def execute(target: address, data: Bytes[1024]):
    assert msg.sender == self.owner
    self.nonce += 1
    raw_call(target, data)
    log ExecutionSuccess(txHash=keccak256(concat(convert(self.nonce, bytes32), data)), payment=0)
