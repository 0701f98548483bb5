# SPDX-License-Identifier: Apache-2.0
"""What a solve can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ex4d.camera import Lens, Trajectory
from ex4d.protocol.values import DEFAULT_FOV_DEG

SourceCamera = Literal["auto", "still", "turns", "moves"]


@dataclass(frozen=True)
class SolveOptions:
    """See the attributes.

    Attributes:
        source_camera: what kind of shot it is; "auto" = as the plate tells.
        fov_deg: field of view over the longer side of the frame, degrees.
        fov_known: whether that is so, or only expected.
        lens: distortion of the plate; None = none, or what the plate tells where it is seen.
        given: cameras of some or all frames, by the plate's frame numbers, of the frame at any pixel size or of all the
            plate's pixels: they stay as they are.
    """

    source_camera: SourceCamera = "auto"
    fov_deg: float = DEFAULT_FOV_DEG
    fov_known: bool = False
    lens: Lens | None = None
    given: Trajectory | None = None
