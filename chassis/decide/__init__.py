"""Decide on commands: the pure decider and the repository that loads, decides and appends."""
