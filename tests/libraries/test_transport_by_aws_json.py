"""The SQS transport passes its tests over a socket with the clients of `aws_json`, too."""

from typing import Any

import pytest

from aws_json import JsonSession
from faststream_sqs.tests.test_http import *  # noqa: F403  its tests and fixtures
from faststream_sqs.tests.test_stack import (
    test_declared_queues_keep_order_redrive_and_answer as test_on_the_local_aws,  # noqa: F401
)


@pytest.fixture  # type: ignore[no-redef]  # in place of the one of these tests
def session() -> Any:
    return JsonSession()
