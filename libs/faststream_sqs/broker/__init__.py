"""Provide the broker and its routers."""
