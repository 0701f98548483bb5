# SPDX-License-Identifier: Apache-2.0
"""Which faces of the mesh are real surface and which only span a depth jump."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.values import MAX_DEPTH_RATIO, MIN_ANGLE_DEG
from ex4d.system.threads import in_bands

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
#: x, y and z of a grid's vertices, (h, w) each: numpy is slow along an axis of three.
Planes = tuple[Float, Float, Float]

#: Vertices of a band of rows, about: a dozen arrays of that many floats fit into a core's cache.
BAND_VALUES = 65_536
#: Of faces with a corner whose depth was guessed: such a surface is cut where a measured one would still be stretched.
GUESSED_MIN_ANGLE_DEG, GUESSED_MAX_DEPTH_RATIO = 4.0, 1.07


def _squared_lengths(planes: Planes, dy: int, dx: int) -> Float:
    """Of the sides from each vertex to the one ``dy`` rows below and ``dx`` columns beside it."""
    h, w = planes[0].shape
    a = np.s_[: h - dy, (1 if dx < 0 else 0) : (w - dx if dx > 0 else w)]
    b = np.s_[dy:, max(dx, 0) : (w + dx if dx < 0 else w)]
    total = np.zeros((), np.float32)
    for axis, plane in enumerate(planes):
        square = plane[b] - plane[a]
        square *= square
        total = np.add(total, square, out=square) if axis else square
    return total


@dataclass(frozen=True)
class _Sides:
    """Squared sides of triangles, as the rule of the smallest angle asks for them.

    The smallest angle is opposite the shortest side; by the law of cosines its cosine is
    (sum of the other two − shortest) / (2·product of the other two's lengths).

    Attributes:
        low, middle, high: sorted.
        squared: numerator of that cosine, squared.
    """

    low: Float
    middle: Float
    high: Float
    squared: Float

    @classmethod
    def of(cls, a2: Float, b2: Float, c2: Float) -> _Sides:
        """Of three squared sides in any order."""
        low, high = np.minimum(a2, b2), np.maximum(a2, b2)
        middle = np.minimum(high, c2)
        np.maximum(low, middle, out=middle)
        np.minimum(low, c2, out=low)
        np.maximum(high, c2, out=high)
        squared = high + middle
        squared -= low
        squared *= squared
        return cls(low, middle, high, squared)

    def wide_enough(self, cos_min: float) -> Bool:
        """Whether the smallest angle is at least the one with cosine ``cos_min``."""
        limit = (4 * cos_min * cos_min) * self.high
        limit *= self.middle
        wide = np.asarray(self.squared <= limit, dtype=np.bool_)
        wide &= self.low > 0
        return wide


def _cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def minimum_angle_faces(corners: Float, min_angle_deg: float) -> Bool:
    """Whether each triangle's smallest interior angle is at least ``min_angle_deg``; corners (F, 3, 3) -> (F,)."""
    a2, b2, c2 = (
        np.einsum("ij,ij->i", d, d)
        for d in (corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1], corners[:, 0] - corners[:, 2])
    )
    return _Sides.of(a2, b2, c2).wide_enough(_cosine(min_angle_deg))


def valid_grid_faces(
    points: Float,
    pixel_valid: Bool,
    *,
    min_angle_deg: float = MIN_ANGLE_DEG,
    max_depth_ratio: float = MAX_DEPTH_RATIO,
    guessed: Bool | None = None,
) -> Bool:
    """``valid_depth_faces`` of vertices (h, w, 3) float32 in source camera coordinates (z = z-depth > 0)."""

    def planes(rows: slice) -> Planes:
        x, y, z = (np.ascontiguousarray(points[rows, :, axis]) for axis in range(3))
        return x, y, z

    rule = _Rule(min_angle_deg, max_depth_ratio)
    return _valid_faces(planes, pixel_valid, rule, guessed)


def valid_depth_faces(
    rays: Float,
    z: Float,
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
        rays: (h, w, 2) float32 x and y of the vertices' viewing rays at z = 1.
        z: (h, w) float32 z-depths > 0.
        pixel_valid: (h, w) bool, whether the pixel has a depth and is opaque.
        guessed: (h, w) bool, whether that depth was guessed; faces with such a corner are held to the stricter of these
            thresholds and of ``GUESSED_MIN_ANGLE_DEG`` and ``GUESSED_MAX_DEPTH_RATIO``. None = nowhere.
    """

    def planes(rows: slice) -> Planes:
        return rays[rows, :, 0] * z[rows], rays[rows, :, 1] * z[rows], z[rows]

    return _valid_faces(planes, pixel_valid, _Rule(min_angle_deg, max_depth_ratio), guessed)


@dataclass(frozen=True)
class _Rule:
    """Thresholds, see ``valid_depth_faces``."""

    min_angle_deg: float
    max_depth_ratio: float

    @property
    def strict(self) -> _Rule:
        """Of faces with a guessed corner."""
        return _Rule(max(self.min_angle_deg, GUESSED_MIN_ANGLE_DEG), min(self.max_depth_ratio, GUESSED_MAX_DEPTH_RATIO))

    def holds(self, sides: _Sides, near: Float, far: Float) -> Bool:
        """Whether triangles with these sides, and these least and largest z-depths, are surface."""
        valid = sides.wide_enough(_cosine(self.min_angle_deg))
        valid &= far <= self.max_depth_ratio * near
        return valid


def _valid_faces(planes: Callable[[slice], Planes], pixel_valid: Bool, rule: _Rule, guessed: Bool | None) -> Bool:
    """Bands of rows by themselves, on threads: so what one is made of stays in the processor's caches."""
    h, w = pixel_valid.shape
    out = np.empty((h - 1, w - 1, 2), dtype=np.bool_)

    def band(first: int, last: int) -> None:
        rows = slice(first, last + 1)
        told = None if guessed is None else guessed[rows]
        _valid_band(planes(rows), pixel_valid[rows], rule, told, out[first:last])

    in_bands(band, h - 1, max(1, BAND_VALUES // w))
    return out.reshape(-1)


def _valid_band(planes: Planes, pixel_valid: Bool, rule: _Rule, guessed: Bool | None, out: Bool) -> None:
    """Write ``out`` (h − 1, w − 1, 2) of some rows (h, w)."""
    right, down = _squared_lengths(planes, 0, 1), _squared_lengths(planes, 1, 0)
    # The diagonal from top right to bottom left belongs to both faces.
    diagonal = _squared_lengths(planes, 1, -1)
    z = planes[2]
    diagonal_low = np.minimum(z[:-1, 1:], z[1:, :-1])
    diagonal_high = np.maximum(z[:-1, 1:], z[1:, :-1])
    diagonal_valid = pixel_valid[:-1, 1:] & pixel_valid[1:, :-1]
    diagonal_guessed = None if guessed is None else guessed[:-1, 1:] | guessed[1:, :-1]
    for side, (across, along), corner in (
        (0, (right[:-1], down[:, :-1]), np.s_[:-1, :-1]),
        (1, (right[1:], down[:, 1:]), np.s_[1:, 1:]),
    ):
        sides = _Sides.of(across, along, diagonal)
        near, far = np.minimum(diagonal_low, z[corner]), np.maximum(diagonal_high, z[corner])
        valid = rule.holds(sides, near, far)
        valid &= diagonal_valid
        valid &= pixel_valid[corner]
        if guessed is not None and diagonal_guessed is not None:
            valid &= rule.strict.holds(sides, near, far) | ~(diagonal_guessed | guessed[corner])
        out[..., side] = valid
