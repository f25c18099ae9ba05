"""Read-through: Redis, then DynamoDB, then a queue, or the computation itself.

`RAO`, `DAO` and `DatabaseQueueObject` can be used each alone; `ReadThrough` puts them in a row.
"""

from readthrough.dao import DAO, Table, UnknownTable
from readthrough.dqo import DQO, DatabaseQueueObject
from readthrough.memory import MemoryTable
from readthrough.rao import RAO
from readthrough.resource import Found, ReadThrough, Stored
from readthrough.shelf import Head, Shelf

__all__ = [
    "DAO",
    "DQO",
    "RAO",
    "DatabaseQueueObject",
    "Found",
    "Head",
    "MemoryTable",
    "ReadThrough",
    "Shelf",
    "Stored",
    "Table",
    "UnknownTable",
]
