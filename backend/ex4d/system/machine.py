# SPDX-License-Identifier: Apache-2.0
"""What this machine has: memory, NVIDIA GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


def memory_gib() -> float | None:
    """Memory of this machine, None where unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return None  # Windows has no sysconf


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU that this process may use.

    Attributes:
        number: that CUDA gives it, where it numbers GPUs by their bus (``CUDA_DEVICE_ORDER=PCI_BUS_ID``).
        name: its maker's.
        memory_mib, free_mib: its memory, and what nobody uses of it; 0 where the driver does not tell.
    """

    number: int
    name: str
    memory_mib: int
    free_mib: int

    @property
    def text(self) -> str:
        """Name and memory, for people."""
        return f"{self.name}, {self.memory_mib} MiB" if self.memory_mib else self.name


def graphics_cards() -> list[str]:
    """NVIDIA GPUs that this process may use, each with its memory."""
    return [gpu.text for gpu in gpus()]


def gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs that this process may use (``CUDA_VISIBLE_DEVICES``), in their order."""
    found = [_parsed(line) for line in _listed_gpus()]
    cards = [card for card in found if card is not None]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        cards = _visible(cards, visible)
    return tuple(Gpu(number, name, *memory) for number, (_, _, name, memory) in enumerate(cards))


#: Of a GPU: nvidia-smi's number, its UUID, its name, its memory and what is free of it, MiB.
_Card = tuple[str, str, str, tuple[int, int]]


def _listed_gpus() -> list[str]:
    # Windows would look for a bare name in the current folder first.
    place = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" if sys.platform == "win32" else Path()
    tool = shutil.which(place / "nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=index,uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def _parsed(line: str) -> _Card | None:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 5:
        return None
    number, uuid, name, total, free = fields
    # What the driver does not tell is said in words.
    return number, uuid, name, (int(total) if total.isdigit() else 0, int(free) if free.isdigit() else 0)


def _visible(cards: list[_Card], variable: str) -> list[_Card]:
    """Those that the variable names, as CUDA reads it: by number or by the beginning of the UUID, until the first that
    is none."""
    found: list[_Card] = []
    for word in variable.split(","):
        named = word.strip()
        card = next((card for card in cards if named and (card[0] == named or card[1].startswith(named))), None)
        if card is None or card in found:
            break
        found.append(card)
    return found
