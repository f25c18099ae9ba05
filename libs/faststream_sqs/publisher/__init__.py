"""Publish messages."""
