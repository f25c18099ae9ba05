"""Configure the compute service for tests."""

from functools import cache
from typing import Any

from compute.settings import Settings
from tests.support.services import STACK


@cache
def compute_settings() -> Settings:
    values: dict[str, Any] = {
        "stack": STACK,
        "chains": {"ethereum": {"urls": ["http://127.0.0.1:1"]}},
    }
    return Settings(**values)
