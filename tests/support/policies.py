"""Evaluate policies of IAM, and derive from a request to AWS which permissions it needs."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.utils import parseaddr
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from deploy.local.settings import REGION

ACCOUNT: Final = "000000000000"
"""Account of the local AWS for keys that are not account ids."""
_TLS_ONLY: Final = {"Bool": {"aws:SecureTransport": "false"}}
_TRANSACTED: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


@dataclass(frozen=True, order=True)
class Permission:
    """Name an action and a resource; in a grant, both can be patterns."""

    action: str
    resource: str

    def covers(self, needed: "Permission") -> bool:
        return fnmatchcase(needed.action.lower(), self.action.lower()) and fnmatchcase(
            needed.resource, self.resource
        )


@dataclass(frozen=True)
class Policy:
    """Hold what a policy grants and denies."""

    granted: frozenset[Permission]
    denied: frozenset[Permission]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Policy":
        """Read a document; the connection to the local AWS counts as one with TLS.

        Raises:
            NotImplementedError: a statement has another condition.
        """
        granted: set[Permission] = set()
        denied: set[Permission] = set()
        for statement in _listed(document["Statement"]):
            condition = statement.get("Condition")
            if condition == _TLS_ONLY and statement["Effect"] == "Deny":
                continue
            if condition:
                raise NotImplementedError(condition)
            (granted if statement["Effect"] == "Allow" else denied).update(
                Permission(action, resource)
                for action in _listed(statement["Action"])
                for resource in _listed(statement["Resource"])
            )
        return cls(frozenset(granted), frozenset(denied))

    def allows(self, needed: Permission) -> bool:
        return any(each.covers(needed) for each in self.granted) and not any(
            each.covers(needed) for each in self.denied
        )


@dataclass(frozen=True)
class SignedRequest:
    """Describe a request to AWS by what a policy can depend on."""

    principal: str
    """Access key id of its signature."""
    service: str
    method: str
    path: str
    query: str
    target: str
    """Operation, of the protocols that name it in a header."""
    body: bytes

    @property
    def parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body) if self.body else {}
        return found


def signer(authorization: str) -> tuple[str, str] | None:
    """Return (access key id, service) of an Authorization header; None if it has no signature."""
    found = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request", authorization)
    return None if found is None else (found[1], found[2])


def permissions(request: SignedRequest) -> list[Permission]:
    """Return which permissions a request needs.

    Raises:
        LookupError: the service or operation is not known here.
    """
    return list(_NEEDED[request.service](request))


def _of_dynamodb(request: SignedRequest) -> Iterator[Permission]:
    given = request.parameters
    match request.target:
        case "TransactWriteItems":
            for item in given["TransactItems"]:
                ((kind, spec),) = item.items()
                yield _table(_TRANSACTED[kind], spec["TableName"])
        case "BatchWriteItem":
            for table in given["RequestItems"]:
                yield _table(request.target, table)
        case operation:
            yield _table(operation, given["TableName"])


def _table(operation: str, table: str) -> Permission:
    return Permission(f"dynamodb:{operation}", _arn("dynamodb", f"table/{table}"))


def _of_sqs(request: SignedRequest) -> Iterator[Permission]:
    given = request.parameters
    queue = given["QueueName"] if "QueueName" in given else given["QueueUrl"].rpartition("/")[2]
    yield Permission(f"sqs:{request.target.removesuffix('Batch')}", _arn("sqs", queue))


def _of_s3(request: SignedRequest) -> Iterator[Permission]:
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    if not key:
        if request.method not in ("GET", "HEAD") or set(parse_qs(request.query)) - {"list-type"}:
            raise LookupError(f"{request.method} of a bucket, {request.query}")
        yield list_bucket(request)
        return
    action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject"}[request.method]
    yield Permission(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")


def list_bucket(request: SignedRequest) -> Permission:
    """Return what a reader needs in addition to learn that an object is missing."""
    bucket = unquote(request.path).lstrip("/").partition("/")[0]
    return Permission("s3:ListBucket", f"arn:aws:s3:::{bucket}")


def _of_ses(request: SignedRequest) -> Iterator[Permission]:
    match request.method, request.path:
        case "GET", "/v2/email/account":
            yield Permission("ses:GetAccount", "*")
        case "POST", "/v2/email/outbound-emails":
            yield from _of_mail(request.parameters)
        case method, path:
            raise LookupError(f"{method} {path}")


def _of_mail(given: dict[str, Any]) -> Iterator[Permission]:
    raw = "Raw" in given["Content"]
    used = [_arn("ses", f"identity/{_sender(given)}")]
    if "ConfigurationSetName" in given:
        used.append(_arn("ses", f"configuration-set/{given['ConfigurationSetName']}"))
    # AWS documents SendEmail for the operation, and refuses raw mails without SendRawEmail
    for action in ("ses:SendEmail", "ses:SendRawEmail") if raw else ("ses:SendEmail",):
        for resource in used:
            yield Permission(action, resource)


def _sender(given: dict[str, Any]) -> str:
    if "FromEmailAddress" in given:
        return parseaddr(given["FromEmailAddress"])[1]

    return parseaddr(message_from_bytes(base64.b64decode(given["Content"]["Raw"]["Data"]))["From"])[
        1
    ]


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


_NEEDED: Final[Mapping[str, Callable[[SignedRequest], Iterator[Permission]]]] = {
    "dynamodb": _of_dynamodb,
    "sqs": _of_sqs,
    "s3": _of_s3,
    "ses": _of_ses,
}
