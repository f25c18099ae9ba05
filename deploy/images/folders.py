"""Name the folders in which images are built and described."""

from typing import Final

from deploy.folders import ROOT

IMAGES: Final = ROOT / ".local" / "images"
"""SBOMs and logs, and the storage of buildah."""
SBOM_ENVIRONMENT: Final = ROOT / ".local" / "sbom"
"""The environment with CycloneDX's library, built from requirements-sbom.lock."""


def image_name(service: str) -> str:
    """Return the name under which the image of a service is stored here."""
    return f"localhost/vouch-{service}"
