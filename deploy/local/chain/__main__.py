"""Serve the chain of the demo: `python -m deploy.local.chain --port 8545`."""

import argparse

from aiohttp import web

from deploy.local.chain import TOKEN, SimulatedChain, TokenSimulation, application, simulate
from deploy.local.settings import CHAIN_ID, HOST


def demo_chain() -> SimulatedChain:
    """Return the chain of the demo; it is the same every time."""
    simulation = TokenSimulation(seed=2_026)
    simulate(simulation, scale=2)
    return SimulatedChain(simulation)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.chain")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=HOST)
    arguments = parser.parse_args()
    chain = demo_chain()
    print(f"chain {CHAIN_ID} at block {chain.head}; the demo token is {TOKEN}", flush=True)
    web.run_app(application(chain), host=arguments.host, port=arguments.port, print=None)


if __name__ == "__main__":
    main()
