# SPDX-License-Identifier: Apache-2.0
"""What can be downloaded: each model with its licence, its size, and how much of it is on this machine."""

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
