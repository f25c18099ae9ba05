"""Every error that a dependency really produces is an outage, and no mistake of ours is one."""

import asyncio
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import botocore.exceptions
import botocore.session
import pytest
import redis.exceptions as redis_errors
from aiobotocore.credentials import AioContainerProvider, AioRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError, create_parser
from redis.asyncio.connection import DefaultParser

from chassis.log.event_store import CommitTooLarge, Conflict, Head, UnknownEvent
from chassis.resilience.outage import is_outage
from chassis.resilience.refusals import Unavailable, dependency_of, needs_operator, reason_of
from chassis.views.identity import EvictionPolicy
from chassis.views.read_models import ReadModelsLost
from faststream_sqs.exceptions import BatchPublishError, EntryFailedError, MessageTooLargeError

SHA = "6e2ec9d3e1f3cbe2b6d1d0a24a4ef1d9ab34b1a7"
REFUSALS = (
    "OOM command not allowed when used memory > 'maxmemory'.",
    (
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist "
        "to disk. Commands that may modify the data set are disabled."
    ),
    "NOREPLICAS Not enough good replicas to write.",
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "CLUSTERDOWN Hash slot not served",
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "MOVED 15468 127.0.0.1:20432",
    "ASK 15468 127.0.0.1:20432",
    "ERR max number of clients reached",
    "ERR something that no release has said so far",
    "NEWCODE something that no release has said so far",
)
IN_SCRIPTS = ("OOM", "MISCONF", "NOREPLICAS", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "NOPERM")
WRONG_COMMANDS = (
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "EXECABORT Transaction discarded because of previous errors.",
    "NOPROTO unsupported protocol version",
    "ERR wrong number of arguments for 'get' command",
    "ERR unknown command 'EVALSHA', with args beginning with: 'a' ",
    "ERR DB index is out of range",
    "ERR value is not an integer or out of range",
    "ERR syntax error",
)
"""What Redis says to a user without commands, to a key of another program, to a wrong URL."""
SCRIPT_MISTAKES = (
    "NOSCRIPT No matching script. Please use EVAL.",
    "ERR Error compiling script (new function): user_script:1: '=' expected near 'is'",
    (
        f"ERR Error running script (call to f_{SHA}): @user_script:1: user_script:1: attempt to "
        "index a nil value"
    ),
    f"ERR user_script:12: attempt to compare nil with number script: {SHA}, on @user_script:12.",
    (
        f"ERR Error running script (call to f_{SHA}): @enable_strict_lua:15: user_script:1: Script "
        "attempted to access nonexistent global variable 'x'"
    ),
)


def answered(text: str) -> Exception:
    """Return the exception that redis-py makes of an error reply."""
    error: Exception = DefaultParser.parse_error(text)  # type: ignore[no-untyped-call]
    return error


def in_script_of_6(text: str) -> str:
    return f"ERR Error running script (call to f_{SHA}): @user_script:14: @user_script: 14: -{text}"


def in_script_of_7(text: str) -> str:
    return f"{text} script: {SHA}, on @user_script:14."


def in_transaction(text: str) -> str:
    return f"EXECABORT Transaction discarded because of: {text}"


@pytest.mark.parametrize("text", REFUSALS)
def test_every_refusal_of_redis_is_an_outage(text: str) -> None:
    assert is_outage(answered(text))


@pytest.mark.parametrize("frame", [in_script_of_6, in_script_of_7, in_transaction])
@pytest.mark.parametrize("text", [text for text in REFUSALS if text.split()[0] in IN_SCRIPTS])
def test_a_refusal_inside_a_script_or_transaction_is_an_outage(text: str, frame: Any) -> None:
    assert is_outage(answered(frame(text)))


@pytest.mark.parametrize("frame", [str, in_script_of_6, in_script_of_7, in_transaction])
@pytest.mark.parametrize("text", WRONG_COMMANDS)
def test_a_command_that_redis_refuses_for_good_is_an_outage_too(text: str, frame: Any) -> None:
    """Messages wait for the operator or the release that puts it right; none is a dead letter."""
    assert is_outage(answered(frame(text)))


@pytest.mark.parametrize("text", SCRIPT_MISTAKES)
def test_a_mistake_in_a_script_of_ours_is_no_outage(text: str) -> None:
    assert not is_outage(answered(text))


@pytest.mark.parametrize(
    ("script", "outage"),
    [
        ("return redis.call('HGET', KEYS[1], 'field')", True),  # of a key that holds a string
        ("return redis.call('INCR', KEYS[1])", True),
        ("return redis.call('NOSUCHCOMMAND')", True),
        ("local found = nil return found.field", False),
        ("return 1 +", False),
        ("return undefined_name", False),
        ("error('our own refusal')", False),
    ],
)
async def test_an_error_of_a_real_script_is_attributed(
    redis: Any, script: str, *, outage: bool
) -> None:
    await redis.set("text", "no hash and no number")
    with pytest.raises(redis_errors.ResponseError) as raised:
        await redis.eval(script, 1, "text")
    assert is_outage(raised.value) is outage


async def test_a_transaction_that_a_full_redis_aborts_is_an_outage(redis: Any) -> None:
    await redis.config_set("maxmemory", 1)
    try:
        pipe = redis.pipeline(transaction=True)
        with pytest.raises(redis_errors.ResponseError) as raised:
            await pipe.set("a", 1).set("b", 2).execute()
        node = await redis.node_for("a")
        replies = await node.execute_many([("MULTI",), ("SET", "a", 1), ("EXEC",)])
    finally:
        await redis.config_set("maxmemory", 0)
    assert is_outage(raised.value)
    assert is_outage(replies[-1]), replies


def test_errors_of_the_redis_client_are_distinguished() -> None:
    errors = redis_errors
    for passing in (
        errors.ConnectionError("Connection closed by server."),
        errors.TimeoutError("Timeout reading from socket"),
        errors.MaxConnectionsError("No connection available."),
        errors.InvalidResponse("Protocol Error: b'HTTP/1.1 400 Bad Request'"),
        errors.ClusterError("TTL exhausted."),
        errors.RedisClusterException("No reachable node"),
        errors.SlotNotCoveredError("slot 4 not covered"),
    ):
        assert is_outage(passing), passing
    assert not is_outage(errors.DataError("Invalid input of type: 'NoneType'"))


def refused(code: str, operation: str = "PutItem", message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "Throttling",
        "RequestThrottled",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "InternalServerError",
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "SlowDown",
        "TransactionInProgressException",
        "TransactionConflictException",
        "ReplicatedWriteConflictException",
        "ExpiredToken",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidAccessKeyId",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "AccessDenied",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "ResourceInUseException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "com.amazonaws.sqs#QueueDoesNotExist",
        "OverLimit",
        "KmsThrottled",
        "KMS.DisabledException",
        "KmsAccessDenied",
        "NoSuchBucket",
        "AccountSuspendedException",
        "500",
        "503",
        "403",
        "",
        "ACodeThatIsNotKnownYet",
    ],
)
def test_every_refusal_of_aws_is_an_outage(code: str) -> None:
    assert is_outage(refused(code))


@pytest.mark.parametrize(
    "code",
    [
        "ConditionalCheckFailedException",
        "PreconditionFailed",
        "NoSuchKey",
        "ValidationException",
        "ValidationError",
        "SerializationException",
        "com.amazon.coral.validate#ValidationException",
        "InvalidParameterValue",
        "InvalidParameterCombination",
        "InvalidParameterException",
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidBatchEntryId",
        "InvalidAddress",
        "AWS.SimpleQueueService.EmptyBatchRequest",
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "com.amazonaws.sqs#InvalidBatchEntryId",
        "BatchRequestTooLong",
        "MissingParameter",
        "IdempotentParameterMismatchException",
        "ItemCollectionSizeLimitExceededException",
        "DuplicateItemException",
        "UnknownOperationException",
        "MessageRejected",
        "BadRequestException",
        "EntityTooLarge",
    ],
)
def test_a_condition_and_a_wrong_request_are_no_outage(code: str) -> None:
    assert not is_outage(refused(code))


@pytest.mark.parametrize("code", ["304", "404", "412"])
def test_a_status_is_a_condition_only_of_an_object(code: str) -> None:
    """Of any other request it comes from a proxy, or from an endpoint that is being deleted."""
    assert not is_outage(refused(code, "HeadObject"))
    assert is_outage(refused(code, "PutItem"))
    assert is_outage(refused(code, "HeadBucket"))


OURS = {
    "dynamodb": {
        "ConditionalCheckFailedException",
        "DuplicateItemException",
        "IdempotentParameterMismatchException",
        "ItemCollectionSizeLimitExceededException",
    },
    "sqs": {
        "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "InvalidAddress",
        "InvalidAttributeName",
        "InvalidAttributeValue",
        "InvalidBatchEntryId",
        "InvalidIdFormat",
        "InvalidMessageContents",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
        "TooManyEntriesInBatchRequest",
        "UnsupportedOperation",
    },
    "s3": {"InvalidRequest", "NoSuchKey"},
    "sesv2": {"BadRequestException", "MessageRejected"},
    "sts": set(),
    "sso": set(),
    "sso-oidc": set(),
    "kms": set(),
}
"""The errors that the SDK knows of each service and that are our condition or our mistake."""
OPERATIONS = {
    "dynamodb": "PutItem",
    "sqs": "SendMessageBatch",
    "s3": "GetObject",
    "sesv2": "SendEmail",
    "sts": "AssumeRoleWithWebIdentity",
    "sso": "GetRoleCredentials",
    "sso-oidc": "CreateToken",
    "kms": "Decrypt",
}


@pytest.mark.parametrize("service", OURS)
@pytest.mark.parametrize("form", ["{}", "com.amazonaws.any#{}", "AWS.SimpleQueueService.{}"])
def test_every_error_that_the_sdk_knows_is_classified(service: str, form: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    names = {name for shape in model.error_shapes for name in (shape.name, shape.error_code)}
    assert names
    found = {
        name
        for name in names
        if not is_outage(refused(form.format(name), operation=OPERATIONS[service]))
    }
    assert found == OURS[service]


@pytest.mark.parametrize(
    ("code", "operation"),
    [
        ("ValidationError", "AssumeRole"),
        ("InvalidIdentityToken", "AssumeRoleWithWebIdentity"),
        ("InvalidParameterValue", "AssumeRoleWithSAML"),
        ("InvalidRequestException", "GetRoleCredentials"),
        ("InvalidGrantException", "CreateToken"),
    ],
)
def test_a_refusal_of_credentials_is_no_mistake_of_the_request(code: str, operation: str) -> None:
    """The SDK fetches credentials inside a call to DynamoDB or SQS, which raises the refusal."""
    assert is_outage(refused(code, operation))


async def expired_credentials() -> None:
    """Refresh credentials with others that are expired as well."""
    past = "2020-01-01T00:00:00Z"
    values = {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": past}

    async def refresh() -> dict[str, str]:
        return values

    credentials = AioRefreshableCredentials.create_from_metadata(values, refresh, "iam-role")
    await credentials.get_frozen_credentials()


async def incomplete_credentials() -> None:
    """Read an answer of the metadata service that lacks the secret key."""

    async def retrieve(*_: Any, **__: Any) -> dict[str, str]:
        return {"AccessKeyId": "a"}

    fetcher = SimpleNamespace(full_url=str, retrieve_full_uri=retrieve)
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/credentials"}
    await AioContainerProvider(environment, fetcher).load()


async def missing_token_file() -> None:
    """Authenticate to the metadata service with a token file that does not exist."""
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere/token",
    }
    await AioContainerProvider(environment, SimpleNamespace(full_url=str)).load()


async def unreadable_reply() -> None:
    """Parse what a proxy makes of a reply."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    reply = {"status_code": 502, "headers": {}, "body": b"\xff\xfe no text"}
    create_parser("json").parse(reply, model.operation_model("PutItem").output_shape)


@pytest.mark.parametrize(
    ("work", "kind", "operators"),
    [
        (expired_credentials, RuntimeError, True),
        (incomplete_credentials, KeyError, True),
        (missing_token_file, FileNotFoundError, True),
        (unreadable_reply, UnicodeDecodeError, False),
    ],
)
async def test_an_error_of_any_class_from_inside_the_sdk_is_an_outage(
    work: Any, kind: type[Exception], *, operators: bool
) -> None:
    with pytest.raises(kind) as raised:
        await work()
    assert is_outage(raised.value)
    assert needs_operator(raised.value) is operators
    assert dependency_of(raised.value) == "aws"


def cancelled(*codes: str) -> ClientError:
    message = f"Transaction cancelled, please refer cancellation reasons [{', '.join(codes)}]"
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": message},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(response, "TransactWriteItems")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("None", "ThrottlingError"), True),
        (("ThrottlingError", "TransactionConflict"), True),
        (("ProvisionedThroughputExceeded", "None"), True),
        (("InternalServerError",), True),
        (("AccessDenied", "None"), True),
        (("None", "TransactionConflict"), True),
        (("ConditionalCheckFailed", "None"), False),
        (("ThrottlingError", "ConditionalCheckFailed"), False),
        (("None", "ValidationError"), False),
        (("ItemCollectionSizeLimitExceeded", "None"), False),
        (("DuplicateItem",), False),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_a_cancelled_transaction_is_judged_by_its_reasons(
    codes: tuple[str, ...], *, expected: bool, listed: bool
) -> None:
    error = cancelled(*codes)
    if not listed:
        del error.response["CancellationReasons"]
    assert is_outage(error) is expected


def every_botocore_error() -> list[BotoCoreError]:
    kinds = [BotoCoreError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    arguments: Any = dict.fromkeys(
        ("error", "endpoint_url", "error_msg", "provider", "msg", "service_name", "report", "name",
         "reason", "value", "type_name", "operation_name", "request_limit"), "x",
    )  # fmt: skip
    made = []
    for kind in set(kinds):
        try:
            made.append(kind(**arguments))
        except (KeyError, TypeError):
            made.append(kind.__new__(kind))
    return made


def test_every_botocore_error_except_a_wrong_parameter_is_an_outage() -> None:
    found = {type(error).__name__: is_outage(error) for error in every_botocore_error()}
    assert {name for name, outage in found.items() if not outage} == {"ParamValidationError"}
    assert {"ConnectTimeoutError", "ReadTimeoutError", "NoCredentialsError"} < set(found)
    assert {"CredentialRetrievalError", "MetadataRetrievalError", "ProxyConnectionError"} < set(
        found
    )


SENDER = EntryFailedError("InvalidMessageContents", "bad character", sender_fault=True)
SERVER = EntryFailedError("InternalError", "", sender_fault=False)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SERVER, True),
        (EntryFailedError("RequestThrottled", "", sender_fault=False), True),
        (EntryFailedError("KmsDisabled", "key is disabled", sender_fault=True), True),
        (EntryFailedError("AccessDenied", "", sender_fault=True), True),
        (EntryFailedError("RequestThrottled", "", sender_fault=True), True),
        (EntryFailedError("OverLimit", "", sender_fault=True), True),
        (EntryFailedError("ACodeThatIsNotKnownYet", "", sender_fault=True), True),
        (
            EntryFailedError(
                "AWS.SimpleQueueService.InvalidMessageContents", "", sender_fault=True
            ),
            False,
        ),
        (SENDER, False),
        (BatchPublishError({0: SERVER, 3: SERVER}, [None] * 5), True),
        (BatchPublishError({0: refused("ThrottlingException")}, [None]), True),
        (BatchPublishError({0: SERVER, 3: SENDER}, [None] * 5), False),
        (MessageTooLargeError("1 MiB"), False),
        (ResponseParserError("Unable to parse response (no element found)"), True),
        (aiohttp.ServerDisconnectedError(), True),
        (aiohttp.ClientPayloadError("truncated"), True),
        (ConnectionResetError(), True),
        (ssl.SSLError("certificate verify failed"), True),
        (TimeoutError(), True),
        (OSError(24, "Too many open files"), True),
        (OSError(24, "Too many open files", "cacert.pem"), True),
        (OSError(28, "No space left on device", "report.json"), True),
        (FileNotFoundError(2, "No such file or directory", "template.txt"), False),
        (ReadModelsLost("referrals", "members"), True),
        (Unavailable("the board is being rebuilt"), True),
        (ExceptionGroup("", [TimeoutError(), SERVER]), True),
        (ExceptionGroup("", [TimeoutError(), KeyError("a bug")]), False),
        (KeyError("a bug"), False),
        (CommitTooLarge(), False),
        (UnknownEvent(), False),
        (Conflict(Head("a", 1)), False),
        (asyncio.CancelledError(), False),
    ],
)
def test_other_errors(error: BaseException, *, expected: bool) -> None:
    assert is_outage(error) is expected


OOM = "OOM command not allowed when used memory > 'maxmemory'."


@pytest.mark.parametrize(
    ("error", "dependency", "reason", "operators"),
    [
        (answered(OOM), "redis", OOM, False),
        (answered(in_script_of_6(OOM)), "redis", OOM, False),
        (answered(in_script_of_7(OOM)), "redis", OOM, False),
        (
            answered("NOPERM No permissions to access a key"),
            "redis",
            "NOPERM No permissions to access a key",
            True,
        ),
        (answered("LOADING Redis is loading"), "redis", "LOADING Redis is loading", False),
        (refused("RequestExpired"), "dynamodb", "RequestExpired", True),
        (refused("TableNotFoundException"), "dynamodb", "TableNotFoundException", True),
        (answered("WRONGPASS invalid"), "redis", "AuthenticationError invalid", True),
        (
            refused("AccessDeniedException", "Query", "not authorized"),
            "dynamodb",
            "AccessDeniedException not authorized",
            True,
        ),
        (
            refused("ResourceNotFoundException", "TransactWriteItems"),
            "dynamodb",
            "ResourceNotFoundException",
            True,
        ),
        (refused("RequestThrottled", "SendMessage"), "sqs", "RequestThrottled", False),
        (SERVER, "sqs", "EntryFailedError InternalError", False),
        (botocore.exceptions.NoCredentialsError(), "aws",
         "NoCredentialsError Unable to locate credentials", True),
        (TimeoutError(), "network", "TimeoutError", False),
        (
            EvictionPolicy("allkeys-lru"),
            "redis",
            f"EvictionPolicy {EvictionPolicy('allkeys-lru')}",
            True,
        ),
        (
            ReadModelsLost("referrals", "members"),
            "read models",
            "ReadModelsLost read model members of referrals is being rebuilt",
            False,
        ),
    ],
)  # fmt: skip
def test_an_outage_has_a_name_and_a_short_reason(
    error: BaseException, dependency: str, reason: str, *, operators: bool
) -> None:
    assert (dependency_of(error), reason_of(error), needs_operator(error)) == (
        dependency,
        reason,
        operators,
    )
