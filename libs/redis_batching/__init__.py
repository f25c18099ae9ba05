"""Batch the Redis commands of one tick of the event loop into one write."""

from redis_batching.client import BatchingRedis
from redis_batching.connection import cancellation_safe, connect

__all__ = ["BatchingRedis", "cancellation_safe", "connect"]
