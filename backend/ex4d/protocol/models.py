# SPDX-License-Identifier: Apache-2.0
"""What can be downloaded: each model with its licence, its size, the memory it needs, and how much of it is on this
machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ModelKind: TypeAlias = Literal["depth", "fill"]
#: Whether it can be used, was begun to be downloaded, or is not there.
ModelState: TypeAlias = Literal["here", "begun", "absent"]
#: Whether its licences allow commercial use; "read" = its page must be read.
Commercial: TypeAlias = Literal["yes", "no", "read"]
#: The installer's set of packages that brings what a model imports; "" = pip brings it.
Extra: TypeAlias = Literal["", "gpu", "moge"]

#: Bytes that a step of a download's stage stands for.
DOWNLOAD_STEP_BYTES = 1_000_000


_COMMERCIAL_USE: dict[Commercial, str] = {
    "yes": "Commercial use: yes.",
    "no": "Commercial use: no.",
    "read": "Commercial use: read its licence first.",
}


@dataclass(frozen=True)
class MemoryNeed:
    """What some profiles of a model need at the size that it was trained for: estimates, from measured peaks.

    Attributes:
        profiles: their names.
        gpu_gib: GiB of GPU memory with which everything stays there.
        least_gpu_gib: with which they run at all, the weights coming from main memory as they are needed.
        ram_gib: GiB of main memory that this takes.
    """

    profiles: tuple[str, ...]
    gpu_gib: int
    least_gpu_gib: int
    ram_gib: int

    def sentence(self) -> str:
        """For people."""
        return (
            f"GPU memory for {', '.join(self.profiles)}: {self.gpu_gib} GiB; from {self.least_gpu_gib} GiB on with "
            f"{self.ram_gib} GiB of main memory, slower."
        )


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be downloaded.

    Attributes:
        name: as ``DownloadRequest`` has it; of a depth model also the estimator's.
        kind: what it is for.
        title: for people.
        label: how good it is, in a few words.
        licence: of its weights, for people.
        commercial: see ``Commercial``.
        repositories: of the hub, "owner/name".
        size: bytes of its files.
        size_known: that they are told by the pins or by the hub; else it is an estimate.
        pinned: whether this version knows which revision and which checksums its files have.
        gated: whether the hub wants its terms accepted, and a token.
        state: see ``ModelState``.
        got: bytes that have come of it, where it was begun.
        missing: packages that it imports and that are not installed.
        extra: what the installer brings them with.
        install: how else to get them.
        folder: where its files come to.
        memory: what it needs; () = nobody has measured it.
    """

    name: str
    kind: ModelKind
    title: str
    label: str
    licence: str
    commercial: Commercial
    repositories: tuple[str, ...]
    size: int
    size_known: bool
    pinned: bool
    gated: bool
    state: ModelState
    got: int
    missing: tuple[str, ...]
    extra: Extra
    install: str
    folder: str
    memory: tuple[MemoryNeed, ...] = ()

    def use(self, profile: str = "") -> list[str]:
        """Sentences on what it may be used for and which memory it needs, or one of its profiles."""
        asked = [need for need in self.memory if profile in ("", *need.profiles)]
        needs = [need.sentence() for need in asked or self.memory] or ["GPU memory: not measured."]
        return [_COMMERCIAL_USE[self.commercial], *needs]
