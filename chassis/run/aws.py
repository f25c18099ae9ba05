"""Create the session through which a process opens its clients of AWS."""

from typing import Any, Final

from aiobotocore.session import get_session

from aws_json import JsonSession
from chassis.run.endpoints import keep_endpoints
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
    keep_endpoints(session, _SERVICES)
    return JsonSession(session) if settings.aws_client == "aws_json" else session
