# SPDX-License-Identifier: Apache-2.0
"""What people ask for in words and numbers, checked and made into what the stages take: for the command line and the
service alike."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

from ex4d.depth import create_depth_source
from ex4d.depth.base import DepthSource
from ex4d.mesh import MeshSettings
from ex4d.protocol.errors import UsageError
from ex4d.protocol.parsing import fraction_from

MIN_FPS, MAX_FPS = Fraction(1, 100), 1000


def parse_rate(text: str) -> Fraction:
    """Frames per second from ``24``, ``23.976`` or ``24000/1001``; raises UsageError."""
    try:
        rate = fraction_from(text)
    except ValueError:
        rate = Fraction(0)
    if not MIN_FPS <= rate <= MAX_FPS:
        raise UsageError(f"The frame rate «{text[:40]}» is not understood.", "Give a number such as 24 or 24000/1001.")
    # 23.976 and its kin stand for a rate over 1001.
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return ntsc if rate.denominator != 1 and abs(rate - ntsc) < Fraction(1, 1000) else rate


def depth_source(
    name: str, kind: str | None, scale: float | None, camera: Path | None, fov_deg: float | None
) -> DepthSource:
    """A source of depth that can run here, see ``create_depth_source``.

    Raises:
        UsageError: it is not possible.
        ResourceError, BadInputError: as ``DepthSource.prepare``, before any long work.
    """
    if fov_deg is not None and not 1 <= fov_deg <= 170:
        raise UsageError(f"A field of view of {fov_deg:g}° is not possible.", "Give 1 to 170 degrees.")
    if kind not in (None, "depth", "disparity"):
        raise UsageError(f"Depth files cannot hold «{kind}».", "Use depth or disparity.")
    stored = cast('Literal["depth", "disparity"] | None', kind)
    source = create_depth_source(name, kind=stored, scale=scale, camera=camera, fov_deg=fov_deg)
    source.prepare()
    return source


def mesh_settings(
    min_angle: float | None = None,
    max_depth_ratio: float | None = None,
    max_grid_side: int | None = None,
    thickness: float | None = None,
    compat: str = "none",
) -> MeshSettings:
    """Settings of the mesh, None = the default; raises UsageError for impossible thresholds."""
    defaults = MeshSettings()
    angle = defaults.min_angle_deg if min_angle is None else min_angle
    ratio = defaults.max_depth_ratio if max_depth_ratio is None else max_depth_ratio
    thick = defaults.thickness if thickness is None else thickness
    side = defaults.max_grid_side if max_grid_side is None else max_grid_side
    if not 0 <= angle < 60 or not 1 < ratio < math.inf or side < 2 or not thick >= 0:
        raise UsageError(
            "A threshold of the mesh is out of range.",
            "--min-angle takes 0 to 60, --max-depth-ratio more than 1, --thickness 0 or more, --mesh-grid at least 2.",
        )
    return MeshSettings(angle, ratio, thick, side, compat)
