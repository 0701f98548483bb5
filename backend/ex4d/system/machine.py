# SPDX-License-Identifier: Apache-2.0
"""What this machine has: memory, NVIDIA GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def memory_gib() -> float | None:
    """Memory of this machine, None where unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return None  # Windows has no sysconf


def graphics_cards() -> list[str]:
    """NVIDIA GPUs, each with its memory."""
    # Windows would look for a bare name in the current folder first.
    place = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" if sys.platform == "win32" else Path()
    tool = shutil.which(place / "nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
