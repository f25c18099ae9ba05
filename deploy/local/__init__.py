"""The local stack: the same services on a local AWS and a local Redis, without containers."""
