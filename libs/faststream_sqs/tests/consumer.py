"""A consumer to kill: writes one line per success, in order, and takes a little time."""

import asyncio
import os
import sys
from pathlib import Path

from faststream_sqs import SQSBroker


async def main(url: str, journal: Path, workers: int) -> None:
    broker = SQSBroker(
        endpoint_url=url,
        region_name="eu-west-2",
        aws_access_key_id="123456789012",
        aws_secret_access_key="local",
        logger=None,
    )
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @broker.subscriber("jobs.fifo", max_workers=workers, wait_time_seconds=1)
    async def handle(body: str) -> None:
        await asyncio.sleep(0.002)
        os.write(descriptor, f"{body}\n".encode())

    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
