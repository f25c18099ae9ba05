"""Analyse which wallets hold a token together."""
