# SPDX-License-Identifier: Apache-2.0
"""Which faces of the mesh are real surface and which only span a depth jump."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.values import MAX_DEPTH_RATIO, MIN_ANGLE_DEG

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Of faces with a corner whose depth was guessed: such a surface is cut where a measured one would still be stretched.
GUESSED_MIN_ANGLE_DEG, GUESSED_MAX_DEPTH_RATIO = 4.0, 1.07


def _squared_lengths(points: Float, dy: int, dx: int) -> Float:
    h, w = points.shape[:2]
    a = points[: h - dy, (1 if dx < 0 else 0) : (w - dx if dx > 0 else w)]
    b = points[dy:, max(dx, 0) : (w + dx if dx < 0 else w)]
    d = b - a
    return np.asarray(np.einsum("ijk,ijk->ij", d, d), dtype=np.float32)


def _wide_enough(a2: Float, b2: Float, c2: Float, cos_min: float) -> Bool:
    """Whether the smallest angle of triangles with these squared sides is at least the one with cosine ``cos_min``.

    The smallest angle is opposite the shortest side; by the law of cosines its cosine is
    (sum of the other two − shortest) / (2·product of the other two's lengths).
    """
    low = np.minimum(np.minimum(a2, b2), c2)
    high = np.maximum(np.maximum(a2, b2), c2)
    middle = np.maximum(np.minimum(a2, b2), np.minimum(np.maximum(a2, b2), c2))
    numerator = high + middle - low
    wide = numerator * numerator <= (4 * cos_min * cos_min) * high * middle
    return np.asarray(wide & (low > 0), dtype=np.bool_)


def _cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def minimum_angle_faces(corners: Float, min_angle_deg: float) -> Bool:
    """Whether each triangle's smallest interior angle is at least ``min_angle_deg``; corners (F, 3, 3) -> (F,)."""
    a2, b2, c2 = (
        np.einsum("ij,ij->i", d, d)
        for d in (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1], corners[:, 0] - corners[:, 2])
    )
    return _wide_enough(a2, b2, c2, _cosine(min_angle_deg))


def valid_grid_faces(
    points: Float,
    pixel_valid: Bool,
    *,
    min_angle_deg: float = MIN_ANGLE_DEG,
    max_depth_ratio: float = MAX_DEPTH_RATIO,
    guessed: Bool | None = None,
) -> Bool:
    """Validity of the grid's faces, (2·(w−1)·(h−1),) bool in the order of ``grid_face_indices``.

    A face is valid when all its three pixels are, when its smallest interior angle is at least ``min_angle_deg``,
    and when its z-depths differ by at most the factor ``max_depth_ratio``.

    Args:
        points: (h, w, 3) float32 vertex positions in source camera coordinates (z = z-depth > 0).
        pixel_valid: (h, w) bool, whether the pixel has a depth and is opaque.
        guessed: (h, w) bool, whether that depth was guessed; faces with such a corner are held to the stricter of these
            thresholds and of ``GUESSED_MIN_ANGLE_DEG`` and ``GUESSED_MAX_DEPTH_RATIO``. None = nowhere.
    """
    h, w = pixel_valid.shape
    cos_min = _cosine(min_angle_deg)
    strict_cos, strict_ratio = (
        _cosine(max(min_angle_deg, GUESSED_MIN_ANGLE_DEG)),
        min(max_depth_ratio, GUESSED_MAX_DEPTH_RATIO),
    )
    right = _squared_lengths(points, 0, 1)
    down = _squared_lengths(points, 1, 0)
    diagonal = _squared_lengths(points, 1, -1)
    z = np.ascontiguousarray(points[..., 2])
    # The diagonal from top right to bottom left belongs to both faces.
    diagonal_low = np.minimum(z[:-1, 1:], z[1:, :-1])
    diagonal_high = np.maximum(z[:-1, 1:], z[1:, :-1])
    diagonal_valid = pixel_valid[:-1, 1:] & pixel_valid[1:, :-1]
    out = np.empty((h - 1, w - 1, 2), dtype=np.bool_)
    for side, sides, corner in (
        (0, (right[:-1], down[:, :-1]), np.s_[:-1, :-1]),
        (1, (right[1:], down[:, 1:]), np.s_[1:, 1:]),
    ):
        near, far = np.minimum(diagonal_low, z[corner]), np.maximum(diagonal_high, z[corner])
        out[..., side] = _wide_enough(*sides, diagonal, cos_min) & (far <= max_depth_ratio * near)
        out[..., side] &= diagonal_valid & pixel_valid[corner]
        if guessed is not None:
            strict = _wide_enough(*sides, diagonal, strict_cos) & (far <= strict_ratio * near)
            out[..., side] &= strict | ~(guessed[:-1, 1:] | guessed[1:, :-1] | guessed[corner])
    return out.reshape(-1)
