"""Print what is installed in an image, as JSON. It runs inside the image: standard library only.

docker run --rm --interactive IMAGE python - < deploy/images/contents.py > contents.json
"""

import json
import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

FORMAT = "${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\n"


def debian_packages() -> list[dict[str, str]]:
    """Return the installed packages of Debian: name, version, architecture, source."""
    asked = ["dpkg-query", "--show", f"--showformat={FORMAT}"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines if line.startswith("ii")]
    return [dict(zip(("name", "version", "arch", "source"), row[1:], strict=True)) for row in rows]


def main() -> None:
    """Print the contents."""
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if line
    )
    contents = {
        "python": platform.python_version(),
        "debian": release["VERSION_CODENAME"],
        "packages": debian_packages(),
        "distributions": {item.metadata["Name"]: item.version for item in distributions()},
    }
    json.dump(contents, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
