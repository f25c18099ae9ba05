"""Token cluster analysis: which wallets hold a token together."""
