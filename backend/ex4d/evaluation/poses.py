# SPDX-License-Identifier: Apache-2.0
"""How well a camera path agrees with the wanted one: for generators whose camera is estimated from their pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.transforms import invert_rigid
from ex4d.protocol.bench import CameraErrors
from ex4d.protocol.errors import BadInputError

Array = NDArray[np.float64]


def camera_errors(estimated: Array, true: Array, *, fit_scale: bool = True) -> CameraErrors:
    """Compare two paths (T, 4, 4) world→camera, OpenCV axes.

    Raises:
        BadInputError: different numbers of cameras.
    """
    if estimated.shape != true.shape or true.shape[1:] != (4, 4) or not len(true):
        raise BadInputError(
            f"Paths of shape {estimated.shape} and {true.shape} cannot be compared.", "Give one camera for each frame."
        )
    # Relative to the first camera the two worlds are the same but for their scale.
    ours, wanted = (invert_rigid(path @ invert_rigid(path[0])) for path in (estimated, true))
    turn = np.einsum("tij,tik->tjk", ours[:, :3, :3], wanted[:, :3, :3])
    # The sine from the skew part keeps small angles exact, where the cosine has no digits left.
    skew = np.stack([turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], -1)
    angle = np.degrees(np.arctan2(np.linalg.norm(skew, axis=1), np.trace(turn, axis1=1, axis2=2) - 1))
    a, b = ours[:, :3, 3], wanted[:, :3, 3]
    squares = float((a * a).sum())
    scale = max(float((a * b).sum()) / squares, 0.0) if fit_scale and squares > 0 else 1.0
    length = float(np.linalg.norm(np.diff(b, axis=0), axis=1).sum())
    distance = float(np.linalg.norm(scale * a - b, axis=1).mean())
    return CameraErrors(float(angle.mean()), float(angle.max()), distance / length if length else float("nan"), scale)
