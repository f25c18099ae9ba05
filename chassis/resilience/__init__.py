"""Survive outages of dependencies, and prove it: retries, log throttling, failpoints."""
