"""Decide on accounts: one module for the state and its evolution, one per topic of decisions."""
