"""The only door: it authenticates, limits, sends commands and serves read models."""
