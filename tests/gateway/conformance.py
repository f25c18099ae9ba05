"""Every answer that a test receives is held against the served description of the API."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from gateway.http.openapi import describe
from gateway.routes import ROUTES

Schema = dict[str, Any]


@dataclass(frozen=True)
class Description:
    document: Schema

    def operation(self, method: str, path: str) -> Schema | None:
        for template, operations in self.document["paths"].items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if re.fullmatch(pattern, path.partition("?")[0]) and method.lower() in operations:
                operation: Schema = operations[method.lower()]
                return operation
        return None

    def check(self, method: str, path: str, status: int, kind: str, body: object) -> None:
        operation = self.operation(method, path)
        if operation is None:
            return
        told = operation["responses"].get(str(status))
        assert told is not None, f"{method} {path} answers {status}, which is not documented"
        if "$ref" in told:
            told = self.document["components"]["responses"][told["$ref"].rpartition("/")[2]]
        if "content" not in told:
            assert body is None
            return
        assert kind in told["content"], f"{method} {path} answers {status} as {kind}"
        if "json" not in kind:
            return
        self.validate(told["content"][kind]["schema"], body)

    def validate(self, schema: Schema, body: object) -> None:
        whole = {**schema, "components": self.document["components"]}
        Draft202012Validator(whole).validate(body)


@cache
def description() -> Description:
    return Description(describe(ROUTES))
