"""Read what a gateway in this process has logged."""

import pytest

from tests.support.eventually import eventually


async def log_of_requests(capsys: pytest.CaptureFixture[str], count: int) -> str:
    """Return the output once this many requests were logged as completed."""
    lines = ""

    async def written() -> bool:
        nonlocal lines
        lines += capsys.readouterr().out
        return lines.count("request_completed") >= count

    await eventually(written)
    return lines
