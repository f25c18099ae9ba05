"""Judge cluster analysis on simulated launches whose true owners are known."""
