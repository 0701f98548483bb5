# SPDX-License-Identifier: Apache-2.0
"""The shape of a take's pixels, for the files that say it."""

from __future__ import annotations

from fractions import Fraction

from ex4d.camera import Trajectory
from ex4d.media.frames import FrameSource, frame_window

#: A camera whose focal lengths across and down agree with a pixel aspect up to this share has that aspect: calibrations
#: and solves tell the two lengths a little apart.
TOLERANCE = 0.01


def take_pixel_aspect(frames: FrameSource, trajectory: Trajectory) -> Fraction:
    """Width of a take's pixel by its height: the plate's, which another size of the same view changes; square where the
    take's camera says so; else what it says."""
    window = frame_window(frames)
    same_view = (
        frames.pixel_aspect * Fraction(window.width, trajectory.width) / Fraction(window.height, trajectory.height)
    )
    said = float(trajectory.K[0, 1, 1] / trajectory.K[0, 0, 0])
    for aspect in (same_view.limit_denominator(10_000), Fraction(1)):
        if abs(said / float(aspect) - 1) <= TOLERANCE:
            return aspect
    return Fraction(said).limit_denominator(1000)
