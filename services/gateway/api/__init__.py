"""Serve the HTTP API, one module per feature: request models, handlers and routes."""
