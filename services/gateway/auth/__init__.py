"""Authorize requests: which callers a route admits."""
