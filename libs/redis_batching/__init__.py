"""Batch the Redis commands of one event-loop tick into one write."""
