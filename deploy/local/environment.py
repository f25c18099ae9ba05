"""Isolate the local stack from the shell's variables for AWS and proxies."""

import os
from collections.abc import MutableMapping

LOOPBACK = "127.0.0.1,localhost"
OURS = {"AWS_PORT"}
"""Variables of the local stack that are named like those of AWS."""


def isolate_environment(environ: MutableMapping[str, str] = os.environ) -> None:
    """Drop AWS profiles, keys and endpoints, and use no proxy for loopback addresses."""
    for name in [name for name in environ if name.startswith("AWS_") and name not in OURS]:
        del environ[name]
    # the user's own files may name endpoints, too
    environ["AWS_CONFIG_FILE"] = os.devnull
    environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    for name in ("no_proxy", "NO_PROXY"):
        hosts = environ.get(name, "")
        if not hosts.endswith(LOOPBACK):
            environ[name] = f"{hosts},{LOOPBACK}".lstrip(",")
