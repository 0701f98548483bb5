# SPDX-License-Identifier: GPL-3.0-or-later
"""Points that the artist has picked on a shot and that it keeps: the pivot of its moves, and landmarks by which
another shot of the same place finds its world. In the shot world, on the root's custom properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.protocol.errors import BadInputError

from ..core.shot_source import pivot_point

Array = NDArray[np.float64]

#: Custom properties of a root: x, y, z and the plate's frame number in which it was picked; coordinates of points.
PIVOT, LANDMARKS = "ex4d_pivot", "ex4d_landmarks"


def pivot(root: bpy.types.Object) -> tuple[Array, int] | None:
    """The picked pivot (3,) and the plate's frame number of that moment; None where none was picked."""
    known: Any = root.get(PIVOT)
    return (np.array(known[:3], np.float64), int(known[3])) if known is not None and len(known) == 4 else None


def set_pivot(root: bpy.types.Object, point: Array | None, number: int = 0) -> None:
    """Let new moves of a shot turn about a point; None: about the one that was measured on the plate."""
    if point is not None:
        root[PIVOT] = [*map(float, point), float(number)]
    elif root.get(PIVOT) is not None:
        del root[PIVOT]


def pivot_of_moves(root: bpy.types.Object, record: Mapping[str, Any], base: Trajectory) -> Array:
    """The point (3,) that moves turn about, in the coordinates of the camera that they start from.

    Where that camera moves, the point rides with it: it is where that camera saw it in the frame in which it was
    picked.

    Args:
        base: one camera a frame, with the plate's frame numbers.

    Raises:
        BadInputError: the picked point lies behind that camera.
    """
    found = pivot(root)
    if found is None:
        return pivot_point(record)
    point, number = found
    numbers = np.asarray(base.frame_numbers)
    E = base.E[int(np.abs(numbers - number).argmin())]
    seen = np.asarray(E[:3, :3] @ point + E[:3, 3], np.float64)
    if seen[2] <= 0:
        raise BadInputError(
            "The pivot lies behind the camera that the move starts from.",
            "Pick one in front of it, or reset the pivot.",
        )
    return seen


def landmarks(root: bpy.types.Object) -> Array:
    """The landmarks (N, 3) of a shot; N is 0 where none were picked."""
    known: Any = root.get(LANDMARKS)
    return np.array(known if known is not None else (), np.float64).reshape(-1, 3)


def set_landmarks(root: bpy.types.Object, points: Array) -> None:
    """Keep landmarks (N, 3) in place of former ones."""
    root[LANDMARKS] = [float(value) for value in points.ravel()]


def forget_if_renewed(root: bpy.types.Object, former: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Forget them where a shot was reconstructed in a way that need not put things where they were."""
    if any(former.get(key) != record.get(key) for key in ("pivot", "solve")):
        for key in (PIVOT, LANDMARKS):
            if root.get(key) is not None:
                del root[key]
