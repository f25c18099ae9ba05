"""Every snippet of the README runs."""

import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from faststream_sqs import SQSBroker
from faststream_sqs.tests.scripted import SQSModel, serve

PAGE = Path(__file__).resolve().parents[1] / "README.md"
TEXT = PAGE.read_text()
SNIPPETS = [
    pytest.param(code, id=section.partition("\n")[0])
    for section in TEXT.split("\n## ")[1:]
    for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL)
]
QUEUES = ["greetings", "reports", "measurements", "numbers", "doubling", "tasks"]


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SQSModel]:
    async with serve(SQSModel(latency=0)) as model:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", model.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123456789012")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        for queue in (*QUEUES, "payments.fifo", "receipts.fifo"):
            model.create(queue)
        model.create_with_dead_letters("orders", 5)
        for queue in ("billing-events", "billing-audit"):
            model.create(queue)
        yield model


def test_all_snippets_are_found() -> None:
    assert len(SNIPPETS) == TEXT.count("```python")


@pytest.mark.slow
@pytest.mark.parametrize("code", SNIPPETS)
async def test_the_snippet_runs(code: str, model: SQSModel, tmp_path: Path) -> None:
    module = ModuleType("snippet")
    file = tmp_path / "snippet.py"  # FastStream looks at the source of what opens a test broker
    file.write_text(code)
    exec(compile(code, file, "exec"), module.__dict__)  # noqa: S102 - our own page
    for name, function in tuple(vars(module).items()):
        if name == "main" or name.startswith("test_"):
            assert inspect.iscoroutinefunction(function)
            await function()
    broker = module.__dict__["broker"]
    assert isinstance(broker, SQSBroker)
    await broker.start()
    model.release_polls()
    await broker.stop()
