"""Imitate the commands of the AWS CLI that docs/restore.md uses, on the local AWS.

The local AWS cannot restore a table: its items at that time are in the file `POINT_IN_TIME`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3


def main() -> None:
    service, verb, *rest = sys.argv[1:]
    assert service == "dynamodb"
    if verb == "wait":
        assert rest.pop(0) == "table-exists"
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    dynamodb = boto3.client("dynamodb")
    match verb:
        case "restore-table-to-point-in-time":
            assert options["--restore-date-time"].endswith("Z")
            restore(dynamodb, options["--source-table-name"], options["--target-table-name"])
        case "wait":
            dynamodb.get_waiter("table_exists").wait(TableName=options["--table-name"])
        case "update-continuous-backups" | "update-time-to-live":
            dynamodb.describe_table(TableName=options["--table-name"])
        case _:
            sys.exit(f"unknown command: {verb}")


def restore(dynamodb: Any, source: str, target: str) -> None:
    table = dynamodb.describe_table(TableName=source)["Table"]
    dynamodb.create_table(
        TableName=target,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=table["KeySchema"],
        AttributeDefinitions=table["AttributeDefinitions"],
    )
    for item in json.loads(Path(os.environ["POINT_IN_TIME"]).read_text())[source]:
        dynamodb.put_item(TableName=target, Item=item)


if __name__ == "__main__":
    main()
