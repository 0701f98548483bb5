# SPDX-License-Identifier: Apache-2.0
"""What two frames tell of a camera that moves: whether their tracks show parallax, and a first pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.solve.tracks import Tracks

Array = NDArray[np.float64]

#: Fewer tracks than these in both frames are not looked at.
LEAST_TRACKS = 40
#: Distance, px, from an epipolar line or from where a homography takes a point, up to which it fits.
THRESHOLD = 1.0


@dataclass(frozen=True)
class PairView:
    """Two frames compared.

    Attributes:
        first, second: their indices.
        common: tracks that they share.
        inliers: of those, how many fit one fundamental matrix.
        homography: how many fit one homography.
        homography_residual: median distance, px, of all from where that takes them.
        motion: median motion, px.
    """

    first: int
    second: int
    common: int
    inliers: int
    homography: int
    homography_residual: float
    motion: float

    @property
    def plane_share(self) -> float:
        """Homography's inliers by the fundamental matrix's: near 1 where there is no parallax."""
        return self.homography / max(self.inliers, 1)

    @property
    def score(self) -> float:
        """How good a start the pair is."""
        return self.inliers * min(self.homography_residual, 8.0)


def compare(tracks: Tracks, first: int, second: int) -> PairView | None:
    """Two frames compared; None where they share too few tracks."""
    _, a, b = tracks.common(first, second)
    if len(a) < LEAST_TRACKS:
        return None
    fits: Any
    H: Any
    # USAC throws where the best sample is degenerate.
    try:
        cv2.setRNGSeed(0)
        _, fits = cv2.findFundamentalMat(a, b, cv2.USAC_MAGSAC, THRESHOLD, 0.999, 2000)
        H, plane = cv2.findHomography(a, b, cv2.USAC_MAGSAC, THRESHOLD, maxIters=2000, confidence=0.999)
    except cv2.error:
        return None
    if fits is None or H is None:
        return None
    moved = np.concatenate([a, np.ones((len(a), 1))], axis=1) @ H.T
    residual = np.linalg.norm(moved[:, :2] / moved[:, 2:] - b, axis=1)
    return PairView(
        first,
        second,
        len(a),
        int(fits.sum()),
        int(plane.sum()),
        float(np.median(residual)),
        float(np.median(np.linalg.norm(b - a, axis=1))),
    )


def relative_pose(a: Array, b: Array, focal: float) -> tuple[Array, Array] | None:
    """Rotation (3, 3) and translation (3,) of the second camera against the first, of length 1, from the rays (M, 2)
    at z = 1 of the same points in both; None where there is none.

    Args:
        a, b: rays.
        focal: length, px, that turns the threshold into rays.
    """
    try:
        cv2.setRNGSeed(0)
        E, fits = cv2.findEssentialMat(a, b, np.eye(3), cv2.USAC_MAGSAC, 0.999, THRESHOLD / focal, 2000)
        if E is None or E.shape != (3, 3):
            return None
        count, R, t, _ = cv2.recoverPose(E, a, b, np.eye(3), mask=fits.copy())
    except cv2.error:
        return None
    return (np.asarray(R, np.float64), np.asarray(t[:, 0], np.float64)) if count >= LEAST_TRACKS // 2 else None
