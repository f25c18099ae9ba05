"""What a person's shell says about AWS and proxies is meant for elsewhere."""

import os
from collections.abc import MutableMapping

LOOPBACK = "127.0.0.1,localhost"
OURS = {"AWS_PORT"}


def set_aside(environ: MutableMapping[str, str] = os.environ) -> None:
    """Drop the profile, keys and endpoints of elsewhere; no proxy stands before loopback."""
    for name in [name for name in environ if name.startswith("AWS_") and name not in OURS]:
        del environ[name]
    # a person's own files may name endpoints, too
    environ["AWS_CONFIG_FILE"] = os.devnull
    environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    for name in ("no_proxy", "NO_PROXY"):
        told = environ.get(name, "")
        if not told.endswith(LOOPBACK):
            environ[name] = f"{told},{LOOPBACK}".lstrip(",")
