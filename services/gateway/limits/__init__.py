"""Declare the rate limits of the API and apply them to requests."""
