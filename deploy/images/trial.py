"""Start and stop the image of each service against a local AWS and a local Redis.

`make images` runs this in namespaces of its own: the ports are those of the images and of the
local stack, and whatever is started here ends with it.
"""

import contextlib
import fcntl
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.folders import ROOT, service_names
from deploy.images.buildah import Buildah, Image
from deploy.images.container import Container, Mount, NotIsolated, start
from deploy.images.folders import IMAGES, image_name
from deploy.images.pip_settings import traces
from deploy.images.sbom import NotLocked, write_sbom
from deploy.local.bootstrap import answers
from deploy.local.environment import isolate_environment
from deploy.local.programs import aws, redis, running
from deploy.local.provision import read_environment, wait_for
from deploy.local.settings import LocalSettings

READY_SECONDS: Final = 120
_HEALTH: Final = "http://127.0.0.1:8080"
_PROVISIONED: Final = "/run/vouch"
_UP: Final = 0x1 | 0x40
"""Flags of a network interface: up and running."""
_SET_FLAGS: Final = 0x8914

Compose = dict[str, Any]


class Unfit(Exception):
    """An image does not do what a platform relies on; the message says what."""


def main(base: str) -> int:
    """Try all images, print a line for each, and return the exit code."""
    isolate_environment()
    _raise_loopback()
    buildah = Buildah(IMAGES)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    settings = LocalSettings().model_copy(update={"state": IMAGES / "stack"})
    try:
        with contextlib.ExitStack() as stack:
            for program in (redis(settings), aws(settings)):
                stack.enter_context(running(program))
            images = {service: buildah.unpack(image_name(service)) for service in service_names()}
            environment = _provision(images["referrals"], settings, compose["provision"])
            original = buildah.files(base)
            for service, image in images.items():
                _require_own_content(service, image, original)
                grace = float(compose[service]["stop_grace_period"].removesuffix("s"))
                print(_try(service, image, environment, grace), flush=True)
    except (Unfit, NotIsolated, NotLocked, TimeoutError, subprocess.SubprocessError) as error:
        print(f"make images: {error}", file=sys.stderr)
        return 1
    return 0


def _raise_loopback() -> None:
    """Switch on the only interface of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def _provision(image: Image, settings: LocalSettings, provision: Compose) -> Mapping[str, str]:
    """Deploy the data stacks as the compose file does: from an image, with the folder deploy/."""
    file = settings.state / "service.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    sources = {"./deploy": ROOT / "deploy", "provisioned": file.parent}
    volumes = [volume.split(":") for volume in provision["volumes"]]
    mounts = [Mount(sources[volume[0]], volume[1]) for volume in volumes]
    local = {
        "REDIS_URL": settings.redis_url,
        "AWS_ENDPOINT_URL": settings.aws_url,
        "CHAIN_URL": settings.chain_url,
    }
    with (IMAGES / "provision.log").open("wb") as log:
        container = start(
            image,
            provision["command"],
            provision["environment"] | local,
            log,
            user=0,
            mounts=mounts,
        )
        code = container.process.wait(timeout=READY_SECONDS)
    if code:
        raise Unfit(f"provision ended with {code}:\n{_end_of(Path(log.name))}")
    return read_environment(file)


def _require_own_content(service: str, image: Image, base: Path) -> None:
    """Write the SBOM of an image, and verify that it contains what the service needs and no more.

    Raises:
        Unfit: it contains something else.
        NotLocked: a package of Python is not the one of the lock.
    """
    if left := traces(image.root, base):
        raise Unfit(f"{service}: what was lent to the build is still in {', '.join(left)}")
    services = [folder.name for folder in (image.root / "app" / "services").iterdir()]
    if services != [service]:
        raise Unfit(f"{service}: the image contains the services {services}")
    script = (ROOT / "deploy" / "images" / "contents.py").read_text()
    installed = IMAGES / f"{service}.contents.json"
    with installed.open("wb") as output:
        container = start(image, ["python", "-c", script], {}, output)
        code = container.process.wait(timeout=READY_SECONDS)
    if code:
        raise Unfit(f"{service}: its contents cannot be listed:\n{_end_of(installed)}")
    write_sbom(service, json.loads(installed.read_text()))


def _try(service: str, image: Image, environment: Mapping[str, str], grace: float) -> str:
    """Start an image, wait until it is ready, inspect and stop it; return the line about it.

    Raises:
        Unfit: it ended early, is not healthy, or does not end with 0 within `grace` seconds.
        NotIsolated: it can do what a container may not.
    """
    log = IMAGES / f"{service}.log"
    with log.open("wb") as output:
        began = time.monotonic()
        container = start(image, image.command, environment, output)
        try:
            wait_for(service, partial(_is_ready, container, log), READY_SECONDS)
            ready = time.monotonic() - began
            container.require_isolation()
            if not container.is_healthy():
                raise Unfit(f"{service}: its health check fails")
            code, stopped = container.stop(grace)
        finally:
            container.process.kill()
            container.process.wait()
    if code:
        raise Unfit(f"{service} ended with {code}:\n{_end_of(log)}")
    return (
        f"{service:<10} {_megabytes(image.root):>4} MB  ready in {ready:4.1f} s as user "
        f"{image.user} on a read-only root, stopped in {stopped:4.1f} s"
    )


def _is_ready(container: Container, log: Path) -> bool:
    if container.process.poll() is not None:
        raise Unfit(f"ended with {container.process.returncode}:\n{_end_of(log)}")
    return answers(f"{_HEALTH}/readyz")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _megabytes(root: Path) -> int:
    used = subprocess.run(
        ["du", "--summarize", "--bytes", "--one-file-system", str(root)],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return int(used.stdout.split()[0]) // 1_000_000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
