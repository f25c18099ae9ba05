"""A chain, asked over JSON-RPC: plain calls, several endpoints, nothing taken for granted."""

from compute.chain.config import Chains, ChainSettings
from compute.chain.evm import EvmChain
from compute.chain.rpc import Endpoint, Rpc, RpcError, Unreachable
from compute.chain.segments import S3Segments

__all__ = [
    "ChainSettings",
    "Chains",
    "Endpoint",
    "EvmChain",
    "Rpc",
    "RpcError",
    "S3Segments",
    "Unreachable",
]
