# SPDX-License-Identifier: Apache-2.0
"""How well a camera path agrees with the wanted one: for generators whose camera is estimated from their pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.transforms import invert_rigid
from ex4d.protocol.errors import BadInputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CameraErrors:
    """Errors of a path whose first camera has been laid on the true one.

    RotErr and TransErr as in CameraCtrl (He et al., 2024), but as means and not as sums over the frames, so that clips
    of different lengths compare, and with the scale fitted, because no video tells it.

    Attributes:
        rotation_deg: mean angle between the cameras.
        rotation_max_deg: largest such angle.
        translation: mean distance of the centres, as a share of the true path's length; NaN for one that does not move.
        scale: that the estimated path was multiplied by.
    """

    rotation_deg: float
    rotation_max_deg: float
    translation: float
    scale: float


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
