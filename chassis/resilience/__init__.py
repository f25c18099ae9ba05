"""Survive outages of dependencies: retries, log throttling, and failpoints for tests."""
