"""Turn HTTP requests into calls, and results into responses."""
