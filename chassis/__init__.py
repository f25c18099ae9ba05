"""Run event-sourced services on SQS, DynamoDB and Redis; contains no business terms."""
