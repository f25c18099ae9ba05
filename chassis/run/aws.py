"""Choose the client of AWS that the settings ask for."""

from typing import Any

from aiobotocore.session import get_session

from aws_json import JsonSession
from chassis.run.settings import ProcessSettings


def aws_session(settings: ProcessSettings) -> Any:
    """Return a session whose `create_client` opens clients of DynamoDB and SQS."""
    session = get_session()
    return JsonSession(session) if settings.aws_client == "aws_json" else session
