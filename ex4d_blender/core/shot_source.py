# SPDX-License-Identifier: GPL-3.0-or-later
"""The source camera of a shot's record, and the point that moves turn about. No Blender in here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory
from ex4d.protocol.parsing import fraction_from


def source_trajectory(record: Mapping[str, Any]) -> Trajectory:
    """The source camera of a shot record, one per plate frame, at the plate's size.

    Raises:
        BadInputError: its file is gone or damaged.
    """
    plate = record["plate"]
    source = read_trajectory(Path(record["source"]))
    source = source.for_frames(plate["numbers"], fraction_from(plate["fps"]), "The source camera")
    return source.resized(int(plate["width"]), int(plate["height"]))


def pivot_point(record: Mapping[str, Any]) -> NDArray[np.float64]:
    """The point (3,) in source camera coordinates (OpenCV axes) that camera moves turn about."""
    return np.array([0.0, 0.0, float(record["pivot"])])
