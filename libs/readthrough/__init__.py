"""Read through Redis to DynamoDB, and then ask a queue for the value or compute it.

`RAO`, `DAO` and `DatabaseQueueObject` each work alone; `ReadThrough` combines them.
"""

from readthrough.dao import DAO, Table, UnknownTable
from readthrough.dqo import DQO, DatabaseQueueObject
from readthrough.memory import MemoryTable
from readthrough.rao import RAO
from readthrough.read_through import Found, ReadThrough, Stored
from readthrough.versioned_store import Version, VersionedStore

__all__ = [
    "DAO",
    "DQO",
    "RAO",
    "DatabaseQueueObject",
    "Found",
    "MemoryTable",
    "ReadThrough",
    "Stored",
    "Table",
    "UnknownTable",
    "Version",
    "VersionedStore",
]
