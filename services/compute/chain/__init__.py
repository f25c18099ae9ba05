"""Read an EVM chain over JSON-RPC: plain calls, several endpoints, every response verified."""

from compute.chain.config import Chains, ChainSettings, require_ids
from compute.chain.endpoint import Endpoint
from compute.chain.evm import EvmChain
from compute.chain.rejections import RpcError
from compute.chain.rpc import RpcClient, Unreachable
from compute.chain.segments import S3SegmentStore

__all__ = [
    "ChainSettings",
    "Chains",
    "Endpoint",
    "EvmChain",
    "RpcClient",
    "RpcError",
    "S3SegmentStore",
    "Unreachable",
    "require_ids",
]
