"""Adapt the private parts of aiobotocore that this library depends on; nothing else uses them.

Endpoints, credentials, connections, retries and the parsing of errors are those of a client of
aiobotocore. `tests/test_botocore_internals.py` fails when a release changes one of these names.
"""

from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.httpsession import AIOHTTPSession
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.exceptions import NoCredentialsError, UnsupportedSignatureVersionError
from botocore.serialize import create_serializer
from yarl import URL

from aws_json.http import REDIRECTED, Response, Target
from aws_json.operation import Operation
from aws_json.signature import Signer

SIGNATURE: Final = "v4"
RETRY_MODES: Final = ("standard", "legacy")


def refuse_unsupported(client: Any) -> None:
    """Raise `ValueError` if a client does more with a request than this library.

    A token bucket on the client's side (`adaptive`), other signatures and other HTTP clients are
    not supported.
    """
    service, config = client.meta.service_model, client.meta.config
    http = client._endpoint.http_session  # noqa: SLF001  see above, also below
    wrong = [
        f"protocol {service.resolved_protocol}" if service.resolved_protocol != "json" else "",
        f"signature {config.signature_version}" if config.signature_version != SIGNATURE else "",
        f"retries {config.retries['mode']}" if config.retries["mode"] not in RETRY_MODES else "",
        f"HTTP by {type(http).__name__}" if type(http) is not AIOHTTPSession else "",
    ]
    if any(wrong):
        raise ValueError(f"cannot call {service.service_name}: {', '.join(filter(None, wrong))}")


async def credentials_of(client: Any) -> Any:
    """Return the frozen credentials of a client, refreshed if they are due.

    Raises:
        NoCredentialsError: There are none.
    """
    credentials = client._request_signer._credentials  # noqa: SLF001
    if credentials is None:
        raise NoCredentialsError
    return await credentials.get_frozen_credentials()


async def target_and_signer(
    client: Any, operation: Operation, parameters: Any, credentials: Any
) -> tuple[Target, Signer]:
    """Return where to send an operation by the service's endpoint rules, and its signer."""
    model, signing = operation.model, client._request_signer  # noqa: SLF001
    context: dict[str, Any] = {
        "client_region": client.meta.region_name,
        "client_config": client.meta.config,
        "auth_type": model.resolved_auth_type,
    }
    endpoint, headers, _ = await client._resolve_endpoint_ruleset(model, parameters, context)  # noqa: SLF001
    if context["auth_type"] not in (None, SIGNATURE):
        raise UnsupportedSignatureVersionError(signature_version=context["auth_type"])
    serializer = create_serializer("json", include_validation=False)
    request = serializer.serialize_to_request({}, model)
    request["headers"].update(headers)
    agent = client._user_agent_creator.to_string()  # noqa: SLF001
    prepare_request_dict(request, endpoint_url=endpoint, user_agent=agent, context={})
    url, proxies = request["url"], client._endpoint.http_session._proxy_config  # noqa: SLF001
    target = Target(
        URL(url, encoded=True), proxies.proxy_url_for(url), proxies.proxy_headers_for(url)
    )
    scope = context.get("signing", {})
    region = scope.get("region") or signing._region_name  # noqa: SLF001
    name = scope.get("signing_name") or signing._signing_name  # noqa: SLF001
    return target, Signer(credentials, region, name, create_request_object(request))


async def session_of(client: Any, target: Target) -> aiohttp.ClientSession:
    """Return the session with the connection pool of a client."""
    session: aiohttp.ClientSession = await client._endpoint.http_session._get_session(target.proxy)  # noqa: SLF001
    return session


@dataclass(frozen=True, slots=True)
class Failure:
    """Describe an attempt without a usable response, as botocore's retry policy reads it."""

    http: Any = None
    """The response, if one was received."""
    reply: dict[str, Any] | None = None
    """What it contains; of an error of the service, `response` of the `ClientError`."""
    error: Exception | None = None
    """Why none was received, or what is wrong with a successful one."""

    @property
    def code(self) -> str:
        """The error code of the service."""
        return str((self.reply or {}).get("Error", {}).get("Code", ""))

    @property
    def date(self) -> str | None:
        """The time of the service."""
        date: str | None = None if self.http is None else self.http.headers.get("date")
        return date


async def failure_of(
    client: Any, operation: Operation, url: str, response: Response, damage: Exception | None
) -> Failure:
    """Parse an error of the service; a success is described as one that arrived damaged."""
    http = _http_response(url, response)
    if response.status < REDIRECTED:
        return Failure(http, {}, damage)
    endpoint, model = client._endpoint, operation.model  # noqa: SLF001
    described = {
        "headers": http.headers,
        "status_code": response.status,
        "body": response.body,
        "context": {"operation_name": operation.name},
    }
    parser = endpoint._response_parser_factory.create_parser("json")  # noqa: SLF001
    reply = await parser.parse(described, model.output_shape)
    await endpoint._add_modeled_error_fields(described, reply, model, parser)  # noqa: SLF001
    return Failure(http, reply)


async def needs_retry(
    client: Any, operation: Operation, attempt: int, failure: Failure, context: dict[str, Any]
) -> bool:
    """Return whether the client's retry policy wants another attempt, after its pause."""
    again: bool = await client._endpoint._needs_retry(  # noqa: SLF001
        attempt,
        operation.model,
        {"context": context},
        None if failure.http is None else (failure.http, failure.reply),
        failure.error if failure.http is None else None,
    )
    return again


async def report_success(
    client: Any, operation: Operation, url: str, response: Response, context: dict[str, Any]
) -> None:
    """Let the client's retry policy count a success, which lets it retry more."""
    await _report(client, operation, _http_response(url, response), {}, context)


async def error_of(
    client: Any, operation: Operation, failure: Failure, context: dict[str, Any], retries: int
) -> Exception:
    """Return the exception to raise for a call that failed after a number of retries."""
    if failure.error is not None:
        return failure.error
    reply: Any = failure.reply
    reply.setdefault("ResponseMetadata", {})["RetryAttempts"] = retries
    await _report(client, operation, failure.http, reply, context)
    code = context.get("error_code_override") or failure.code
    error: Exception = client.exceptions.from_code(code)(reply, operation.name)
    return error


async def _report(
    client: Any, operation: Operation, http: Any, reply: dict[str, Any], context: dict[str, Any]
) -> None:
    service = client.meta.service_model.service_id.hyphenize()
    await client.meta.events.emit(
        f"after-call.{service}.{operation.name}",
        http_response=http,
        parsed=reply,
        model=operation.model,
        context=context,
    )


def _http_response(url: str, response: Response) -> AioAWSResponse:
    http = AioAWSResponse(url, response.status, response.headers, None)
    http._content = response.body  # noqa: SLF001
    return http
