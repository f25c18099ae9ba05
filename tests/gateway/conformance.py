"""Validate each response that a test receives against the OpenAPI document."""

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
    """Hold the OpenAPI document of the gateway."""

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
        documented = operation["responses"].get(str(status))
        assert documented is not None, f"{method} {path} answers {status}, which is not documented"
        if "$ref" in documented:
            documented = self.document["components"]["responses"][
                documented["$ref"].rpartition("/")[2]
            ]
        if "content" not in documented:
            assert body is None
            return
        assert kind in documented["content"], f"{method} {path} answers {status} as {kind}"
        if "json" not in kind:
            return
        self.validate(documented["content"][kind]["schema"], body)

    def validate(self, schema: Schema, body: object) -> None:
        schema_with_components = {**schema, "components": self.document["components"]}
        Draft202012Validator(schema_with_components).validate(body)


@cache
def description() -> Description:
    return Description(describe(ROUTES))
