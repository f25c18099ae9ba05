"""Find Chromium: its shell without windows, or the browser."""

import shutil
from typing import Final

CHROMIUM: Final = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""Its path; the shell has the same engine and needs half the CPU time. None: neither exists."""
