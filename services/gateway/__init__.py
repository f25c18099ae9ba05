"""Serve the public API: authenticate, limit, send commands to services, and serve read models."""
