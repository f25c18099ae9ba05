"""Store events: the event store port, its DynamoDB and in-memory implementations, and the codec."""
