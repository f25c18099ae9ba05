"""Compare pictures of the map by their pixels, without texts: machines draw these differently."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

WITHOUT_TEXTS = """
CanvasRenderingContext2D.prototype.fillText = () => undefined;
CanvasRenderingContext2D.prototype.strokeText = () => undefined;
"""
"""A script for pages: fonts differ between machines."""
TOLERANCE = 48
"""Difference of a colour, of 255, that smoothed edges may have."""
_DECODED = """async (encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const {data, width, height} = context.getImageData(0, 0, image.width, image.height);
  let text = "";
  for (let at = 0; at < data.length; at += 32768)
    text += String.fromCharCode(...data.subarray(at, at + 32768));
  return {width, height, pixels: btoa(text)};
}"""
_HALF = """async (encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
  const canvas = new OffscreenCanvas(image.width / 2, image.height / 2);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const half = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
  let text = "";
  for (let at = 0; at < half.length; at += 32768)
    text += String.fromCharCode(...half.subarray(at, at + 32768));
  return btoa(text);
}"""

Pixels = npt.NDArray[np.uint8]
"""Rows of pixels with red, green and blue."""


@dataclass(frozen=True)
class Decoder:
    """Decode and shrink PNG files with a page of the browser, which loads nothing."""

    page: Any

    async def pixels(self, png: bytes) -> Pixels:
        """Return the pixels of a picture."""
        found = await self.page.evaluate(_DECODED, base64.b64encode(png).decode())
        flat = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8)
        return flat.reshape(found["height"], found["width"], 4)[:, :, :3]

    async def half(self, png: bytes) -> bytes:
        """Return a picture of half the width and height, as PNG."""
        return base64.b64decode(await self.page.evaluate(_HALF, base64.b64encode(png).decode()))


def different(one: Pixels, other: Pixels) -> int:
    """Return how many pixels differ by more than the tolerance in one of their colours."""
    assert one.shape == other.shape, f"{one.shape} and {other.shape}"
    distance = np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
    return int((distance > TOLERANCE).sum())


def stored(path: Path, png: bytes, *, renew: bool) -> bytes:
    """Return the stored reference; `renew` replaces it by a new picture first."""
    if renew:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png)
    return path.read_bytes()
