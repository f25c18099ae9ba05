"""Call DynamoDB and SQS for less than a fifth of the CPU that aiobotocore takes."""

from aws_json.client import JsonClient, JsonSession

__all__ = ["JsonClient", "JsonSession"]
