"""Simulate an EVM chain without a network: a JSON-RPC node with one token on it."""

from deploy.local.chain.node import SimulatedChain
from deploy.local.chain.providers import STYLES, RpcRejection
from deploy.local.chain.server import application
from deploy.local.chain.simulation import SUPPLY, TOKEN, TokenSimulation, simulate

__all__ = [
    "STYLES",
    "SUPPLY",
    "TOKEN",
    "RpcRejection",
    "SimulatedChain",
    "TokenSimulation",
    "application",
    "simulate",
]
