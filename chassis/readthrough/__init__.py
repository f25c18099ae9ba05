"""Read-through: Redis, then DynamoDB, then a queue, or the computation itself.

`RAO`, `DAO` and `DatabaseQueueObject` can be used each alone; `ReadThrough` puts them in a row.
"""

from chassis.readthrough.dao import DAO, Table, UnknownTable
from chassis.readthrough.dqo import DQO, DatabaseQueueObject
from chassis.readthrough.memory import MemoryTable
from chassis.readthrough.rao import RAO
from chassis.readthrough.resource import Found, ReadThrough, Stored
from chassis.readthrough.shelf import Head, Shelf

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
