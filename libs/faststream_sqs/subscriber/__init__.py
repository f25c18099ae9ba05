"""Receive and handle messages."""
