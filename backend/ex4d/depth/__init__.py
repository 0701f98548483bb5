# SPDX-License-Identifier: Apache-2.0
"""Stage 2: depth of the plate's frames and the source camera."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ex4d.depth.base import DepthFrame, DepthResult, DepthSink, DepthSource
from ex4d.depth.estimators import create_estimator, estimator_names
from ex4d.depth.files import FileDepth
from ex4d.depth.learned.estimator_spec import DEFAULT
from ex4d.protocol.errors import Ex4dError, UsageError

__all__ = [
    "AUTOMATIC",
    "BUILT_IN",
    "DepthFrame",
    "DepthResult",
    "DepthSink",
    "DepthSource",
    "create_depth_source",
    "default_estimator",
    "depth_names",
    "working_estimators",
]

#: Stands for ``default_estimator`` wherever an estimator is named.
AUTOMATIC = "auto"
#: The estimator that runs everywhere, with what the package brings.
BUILT_IN = "small"


def depth_names() -> list[str]:
    """Names that ``create_depth_source`` knows besides files."""
    return estimator_names()


def default_estimator() -> str:
    """The learned estimator that is free to use, where its packages and weights are installed; else the one that
    comes with the package."""
    try:
        create_estimator(DEFAULT, None).prepare()
    except Ex4dError:
        return BUILT_IN
    return DEFAULT


def working_estimators() -> list[DepthSource]:
    """The estimators that can run here, ``default_estimator`` first."""
    first = default_estimator()
    sources = []
    for name in sorted(depth_names(), key=lambda name: (name != first, name)):
        source = create_estimator(name, None)
        try:
            source.prepare()
        except Ex4dError:
            continue
        sources.append(source)
    return sources


def create_depth_source(
    name: str,
    *,
    kind: Literal["depth", "disparity"] | None = None,
    scale: float | None = None,
    camera: Path | None = None,
    fov_deg: float | None = None,
) -> DepthSource:
    """A source of depth by its name or by the path of its files.

    Args:
        name: of an estimator, ``AUTOMATIC``, or a path.
        kind, scale, camera: see ``FileDepth``; only for files.
        fov_deg: field of view over the longer side in degrees; only ``camera`` goes before it.

    Raises:
        UsageError: options for files with an estimator.
    """
    if name == AUTOMATIC:
        name = default_estimator()
    if name not in estimator_names():
        return FileDepth(Path(name), kind=kind, scale=scale, camera=camera, fov_deg=fov_deg)
    if any(option is not None for option in (kind, scale, camera)):
        raise UsageError("--depth-kind and --depth-scale are for depth files.", "Give the files with --depth PATH.")
    return create_estimator(name, fov_deg)
