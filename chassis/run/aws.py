"""Create the session through which a process opens its clients of AWS."""

from typing import Any, Final

from aiobotocore.session import AioSession, get_session
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from aws_json import JsonSession
from chassis.run.settings import ProcessSettings

_SERVICES: Final = frozenset(
    {"dynamodb", "sqs", "s3", "email", "sts", "sso", "portal.sso", "oidc", "signin"}
)
"""Services, by the prefix of their endpoints, that a process or its credentials call."""


def aws_session(settings: ProcessSettings) -> Any:
    """Return a session whose `create_client` opens clients; those of DynamoDB and SQS by setting.

    A process needs one: each session reads and keeps the models of the services that it calls.
    """
    session = get_session()
    _forget_unused_endpoints(session)
    return JsonSession(session) if settings.aws_client == "aws_json" else session


def _forget_unused_endpoints(session: AioSession) -> None:
    """Let a session keep the endpoints of `_SERVICES` only: those of all take 6 MB."""

    def resolver() -> EndpointResolver:
        # this loader is dropped with the complete list, the session's own would cache it
        loader = create_loader(session.get_config_variable("data_path"))
        data, path = loader.load_data_with_path("endpoints")
        for partition in data["partitions"]:
            known = partition["services"]
            partition["services"] = {name: known[name] for name in _SERVICES & known.keys()}
        return EndpointResolver(data, uses_builtin_data=loader.is_builtin_path(path))

    session._internal_components.lazy_register_component("endpoint_resolver", resolver)  # noqa: SLF001  the way to replace it
