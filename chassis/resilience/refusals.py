"""Classify errors of Redis and AWS: who has to act, which dependency it is, and why, in short."""

import errno
import re
from typing import ClassVar, Final

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    DataError,
    LockError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    PubSubError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
    WatchError,
)

from faststream_sqs.exceptions import BatchPublishError, EntryFailedError

REASON_CHARACTERS: Final = 160
"""Length limit of a reason."""

_CODES: Final = re.compile(
    r"\b(OOM|MISCONF|NOREPLICAS|READONLY|MASTERDOWN|CLUSTERDOWN|LOADING|BUSY|NOPERM|NOAUTH"
    r"|WRONGPASS|TRYAGAIN|MOVED|ASK|UNBLOCKED|NOGOODSLAVE|INPROG|UNKILLABLE|WRONGTYPE|CROSSSLOT"
    r"|NOPROTO|IOERR|NOMASTERLINK|REDIRECT|DENIED)\b"
)
"""Codes of Redis, also inside the text of a script's or a transaction's error."""
_OUR_SCRIPT: Final = re.compile(
    r"(?<![@\w])user_(?:script|function):\d+:|[Ee]rror compiling script"
)
"""A script failed by its own code; a command that Redis refused to a script is worded otherwise:
`@user_script: 14: -OOM …` by Redis 6, `OOM … script: <sha>, on @user_script:14.` by Redis 7."""
_OUR_REDIS_CLASSES: Final = (DataError, LockError, NoScriptError, PubSubError, WatchError)
_LASTING: Final = re.compile(
    r"\b(WRONGTYPE|CROSSSLOT|NOPROTO|DENIED)\b|[Uu]nknown (sub)?command|DB index|invalid DB"
    r"|wrong number of arg|syntax error|is not an integer|^maxmemory-policy "
)
"""Refusals of Redis that last until an operator acts."""
_PREFIXES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (MasterDownError, "MASTERDOWN"),
    (ClusterDownError, "CLUSTERDOWN"),
    (OutOfMemoryError, "OOM"),
    (ReadOnlyError, "READONLY"),
    (NoPermissionError, "NOPERM"),
    (TryAgainError, "TRYAGAIN"),
    (BusyLoadingError, "LOADING"),
)
"""Codes that redis-py has cut from the text."""

_CONDITIONS: Final = frozenset(
    {
        "ConditionalCheckFailedException",
        "ConditionalCheckFailed",
        "PreconditionFailed",
        "NoSuchKey",
        "NotModified",
    }
)
"""Answers to a question that the request asked."""
_CONDITION_STATUSES: Final = frozenset({"304", "404", "412"})
"""The same for objects of S3, whose `HEAD` has no body. For any other operation a code that is a
number is the status of a response which the service itself did not write."""
_WRONG_REQUESTS: Final = frozenset(
    {
        "ValidationException",
        "ValidationError",
        "SerializationException",
        "IdempotentParameterMismatch",
        "IdempotentParameterMismatchException",
        "ItemCollectionSizeLimitExceeded",
        "ItemCollectionSizeLimitExceededException",
        "DuplicateItem",
        "DuplicateItemException",
        "MissingParameter",
        "MissingRequiredParameterException",
        "MissingAction",
        "MalformedQueryString",
        "MalformedInput",
        "MalformedXML",
        "UnknownOperation",
        "UnknownOperationException",
        "UnsupportedOperation",
        "BadRequest",
        "BadRequestException",
        "MessageRejected",
        "MessageTooLong",
        "MessageNotInflight",
        "BatchRequestTooLong",
        "BatchEntryIdsNotDistinct",
        "EmptyBatchRequest",
        "TooManyEntriesInBatchRequest",
        "ReceiptHandleIsInvalid",
        "EntityTooLarge",
        "KeyTooLongError",
    }
)
_WRONG_REQUEST: Final = re.compile(
    r"^(Invalid(Parameter|Attribute|Message|IdFormat|Address|Argument"
    r"|Action|Batch|Range|Request|Tag|URI|QueryParameter|PartOrder|Digest)|BadDigest)"
)
_OF_CREDENTIALS: Final = re.compile(
    r"^(Assume|Get(Caller|Role|Session|Federation|Delegated|Access)|CreateToken|CreateOAuth"
    r"|RegisterClient)"
)
"""Operations of STS and of single sign-on, which the SDK calls before a request of ours to get its
credentials: what they refuse is not our request."""
_SDK_MODULES: Final = re.compile(r"^(?:aio)?botocore\.(credentials|tokens|parsers)$")
"""Where the SDK raises errors of Python's own classes: for credentials that are still expired after
they were refreshed, for an incomplete answer of the metadata service, for a missing token file, and
for a reply that it cannot parse. No request of ours is built there."""
_OPERATORS: Final = re.compile(
    r"AccessDenied|AccessDeniedException|NotAuthorized|UnauthorizedOperation|^Forbidden|^403"
    r"|OptInRequired|UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId|ExpiredToken"
    r"|TokenRefreshRequired|InvalidToken|IncompleteSignature|Signature|RequestTimeTooSkewed"
    r"|MissingAuthenticationToken|InvalidSecurity|^K(ms|MS)|ResourceNotFound|NoSuchBucket"
    r"|TableNotFound|RequestExpired"
    r"|NonExistentQueue|QueueDoesNotExist|Credential|Token(Provider|Retriev)|Profile|NoRegion"
    r"|Unauthorized|^NO(PERM|AUTH)$|^WRONGPASS|Authentication|Authorization|AccountSuspended"
    r"|NotVerified|SendingPaused|IdentityToken|IDPRejected|MalformedPolicy|PackedPolicy|RegionDisabled|InvalidGrant"
)
"""Codes and names of errors that last until an operator acts."""
_SENDER: Final = re.compile(r"not verified|sandbox|paused|suspended", re.IGNORECASE)
"""Texts with which SES rejects every mail of this sender."""
_TRANSACTION_CANCELED: Final = "TransactionCanceledException"
_REASONS_IN_TEXT: Final = re.compile(r"\[([A-Za-z, ]+)\]")

_SERVICES: Final = (
    ("sqs", re.compile(r"Message|Queue")),
    ("ses", re.compile(r"Email|^GetAccount$")),
    ("s3", re.compile(r"Object|Bucket|Multipart")),
    ("kms", re.compile(r"Encrypt|Decrypt|DataKey")),
    ("dynamodb", re.compile(r"Item|^Query$|^Scan$|Table|TimeToLive")),
)
"""Dependency -> names of its operations."""


_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of a file that say nothing about the file."""


class Unavailable(Exception):
    """A part of the system cannot answer now, and will again without a change of the request."""

    part: ClassVar[str] = "system"
    """What cannot answer, as /readyz names it."""


def is_dependency_error(error: BaseException) -> bool:  # noqa: PLR0911  one answer per kind
    """Return whether a dependency refused or did not answer, although the request is right."""
    match error:
        case Unavailable():
            return True
        case ExceptionGroup():
            return all(is_dependency_error(each) for each in error.exceptions)
        case ClientError():
            return _is_refusal(error)
        case BatchPublishError():
            return all(is_dependency_error(each) for each in error.failed.values())
        case EntryFailedError():
            return not error.sender_fault or not _is_ours(_plain(error.code))
        case RedisError() | RedisClusterException():
            return _is_redis_refusal(error)
        case OSError() if error.filename is None or error.errno in _EXHAUSTED:
            return True  # otherwise a file of this process is missing
        case ParamValidationError():
            return False
        case BotoCoreError() | ResponseParserError() | aiohttp.ClientError():
            return True
        case _:
            return bool(_sdk_module(error))


def needs_operator(error: BaseException) -> bool:
    """Return whether the refusal lasts until an operator changes permissions, keys or resources."""
    if isinstance(error, RedisError) and _LASTING.search(str(error)):
        return True
    if _sdk_module(error) in ("credentials", "tokens"):
        return True
    if code_of(error) == "MessageRejected" and _SENDER.search(str(error)):
        return True
    return bool(_OPERATORS.search(code_of(error)))


def cancellation_codes(error: ClientError) -> list[str]:
    """Return why a transaction was cancelled, one code per action; `None` for an innocent one."""
    response: dict[str, object] = {**error.response}
    reasons = response.get("CancellationReasons")
    if isinstance(reasons, list) and reasons:
        return [str(reason.get("Code") or "None") for reason in reasons]
    found = _REASONS_IN_TEXT.search(str(error.response["Error"].get("Message", "")))
    return found[1].replace(" ", "").split(",") if found else []


def dependency_of(error: BaseException) -> str:  # noqa: PLR0911  one answer per kind
    """Return the name of the dependency: `redis`, `dynamodb`, `sqs`, `s3`, `ses`, `aws`, …."""
    match error:
        case ExceptionGroup():
            return dependency_of(error.exceptions[0])
        case Unavailable():
            return error.part
        case RedisError() | RedisClusterException():
            return "redis"
        case EntryFailedError() | BatchPublishError():
            return "sqs"
        case ClientError():
            operation = str(error.operation_name)
            return next((name for name, names in _SERVICES if names.search(operation)), "aws")
        case BotoCoreError() | ResponseParserError():
            return "aws"
        case _:
            return "aws" if _sdk_module(error) else "network"


def code_of(error: BaseException) -> str:
    """Return the short code of a refusal, such as `OOM` or `ThrottlingException`."""
    match error:
        case ExceptionGroup():
            return code_of(error.exceptions[0])
        case ClientError():
            return _client_code(error)
        case EntryFailedError():
            return error.code
        case BatchPublishError():
            return code_of(next(iter(error.failed.values()), KeyError()))
        case RedisError():
            found = _CODES.search(_redis_text(error))
            return (found[1] if found else None) or type(error).__name__
        case _:
            return type(error).__name__


def reason_of(error: BaseException) -> str:
    """Return in one line what the dependency said, without the frame that a script adds."""
    match error:
        case ExceptionGroup():
            text = reason_of(error.exceptions[0])
        case RedisError():
            text = _redis_text(error)
        case ClientError():
            message = str(error.response.get("Error", {}).get("Message", ""))
            text = f"{_client_code(error)} {message}".strip()
        case _:
            text = f"{type(error).__name__} {error}".strip()
    return " ".join(text.split())[:REASON_CHARACTERS]


def _is_refusal(error: ClientError) -> bool:
    code, operation = _plain_code(error), str(error.operation_name)
    if _OF_CREDENTIALS.match(operation):
        return True
    if code == _TRANSACTION_CANCELED:
        return not any(_is_ours(reason) for reason in cancellation_codes(error))
    if code in _CONDITION_STATUSES:
        return not operation.endswith("Object")
    return not _is_ours(code)


def _is_ours(code: str) -> bool:
    return code in _CONDITIONS or code in _WRONG_REQUESTS or bool(_WRONG_REQUEST.match(code))


def _is_redis_refusal(error: Exception) -> bool:
    if isinstance(error, _OUR_REDIS_CLASSES):
        return False
    return not (isinstance(error, ResponseError) and _OUR_SCRIPT.search(str(error)))


def _redis_text(error: BaseException) -> str:
    """Return the refusal as Redis words it, whether a command or a script met it."""
    text = str(error)
    for kind, prefix in _PREFIXES:
        if isinstance(error, kind):
            return _without_frame(text if text.startswith(prefix) else f"{prefix} {text}")
    if not isinstance(error, ResponseError):
        return f"{type(error).__name__} {text}".strip()
    name = type(error).__name__ if isinstance(error, AskError) else ""
    return f"{name} {_without_frame(text)}".strip()


def _without_frame(text: str) -> str:
    inner = re.search(r".*user_script: ?\d+: -?(.*)", text)
    return re.sub(r",? script: [0-9a-f]+.*", "", inner[1] if inner else text)


def _plain_code(error: ClientError) -> str:
    return _plain(str(error.response.get("Error", {}).get("Code", "")))


def _plain(code: str) -> str:
    """Return a code without the namespace of its service."""
    return code.rpartition("#")[2].removeprefix("AWS.SimpleQueueService.")


def _sdk_module(error: BaseException) -> str:
    """Return which of `_SDK_MODULES` an exception was raised in or below; empty if in none."""
    if not isinstance(error, Exception):
        return ""
    frame = error.__traceback__
    while frame is not None:
        if found := _SDK_MODULES.match(str(frame.tb_frame.f_globals.get("__name__"))):
            return found[1]
        frame = frame.tb_next
    return ""


def _client_code(error: ClientError) -> str:
    code = _plain_code(error)
    if code != _TRANSACTION_CANCELED:
        return code
    return next((each for each in cancellation_codes(error) if each != "None"), code)
