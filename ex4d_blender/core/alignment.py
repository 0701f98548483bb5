# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a shot stands in Blender's world: floor, axes and scale from points picked on what the plate shows.

The shot itself is never changed. Its root is turned, moved and scaled as a whole, by similarities shot world -> Blender
world. Points are (N, 3) in the shot world, whose axes are OpenCV's; Blender's world has Z up. No Blender in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

from .axes import nearest_rotation, root_scale

Array = NDArray[np.float64]

#: What is narrower than this share of its length is a line, what is shorter than this share of its distance a point.
NARROW = 0.01
#: A direction of which less than this share lies in the floor has no heading.
STEEP = 0.02
#: Blender's axes by the name of their direction.
DIRECTIONS = {
    f"{sign}{axis}": factor * np.eye(3)[index]
    for index, axis in enumerate("XYZ")
    for sign, factor in (("", 1.0), ("-", -1.0))
}


@dataclass(frozen=True)
class Similarity:
    """A turn, an even scale and a shift: x -> scale · rotation · x + translation.

    Attributes:
        scale: above 0.
        rotation: (3, 3).
        translation: (3,).
    """

    scale: float
    rotation: Array
    translation: Array

    @classmethod
    def from_matrix(cls, matrix: Array, name: str) -> Similarity:
        """Of a (4, 4) matrix of the object ``name``; BadInputError where it is sheared, mirrored or scaled unevenly."""
        scale = root_scale(matrix, name)
        return cls(scale, nearest_rotation(matrix[:3, :3] / scale), np.array(matrix[:3, 3], np.float64))

    @property
    def matrix(self) -> Array:
        """(4, 4)."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.scale * self.rotation, self.translation
        return out

    def __call__(self, points: Array) -> Array:
        """Points (..., 3) -> where they come to lie."""
        return np.asarray(points, np.float64) @ (self.scale * self.rotation).T + self.translation

    def scaled(self, factor: float) -> Similarity:
        """All of it that many times as large, about Blender's origin: what lies on the floor stays on it."""
        return Similarity(self.scale * factor, self.rotation, factor * self.translation)

    def moved(self, shift: Array) -> Similarity:
        """Shifted in Blender's world."""
        return Similarity(self.scale, self.rotation, self.translation + shift)

    def turned(self, rotation: Array, about: Array) -> Similarity:
        """Turned in Blender's world about a point of it."""
        return Similarity(self.scale, rotation @ self.rotation, rotation @ (self.translation - about) + about)


def rotation_between(start: Array, end: Array) -> Array:
    """The smallest rotation (3, 3) that takes a direction (3,) to another; opposite ones turn about the axis that is
    most across."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    cross, cosine = np.cross(a, b), float(a @ b)
    sine = float(np.linalg.norm(cross))
    if sine < 1e-12:
        if cosine > 0:
            return np.eye(3)
        across = np.cross(a, np.eye(3)[int(np.argmin(np.abs(a)))])
        axis = across / np.linalg.norm(across)
        return 2 * np.outer(axis, axis) - np.eye(3)
    x, y, z = cross / sine
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + sine * skew + (1 - cosine) * skew @ skew, np.float64)


def plane_normal(points: Array) -> Array:
    """The unit normal (3,) of the plane nearest to three or more points, of either sign.

    Raises:
        BadInputError: they lie on a line, or in one place.
    """
    centred = points - points.mean(0)
    _, lengths, directions = np.linalg.svd(centred)
    if len(points) < 3 or lengths[1] <= NARROW * lengths[0]:
        raise BadInputError(
            "The points of the floor lie on a line, which does not tell how it is tilted.",
            "Pick three points that make a triangle, as large as the picture allows.",
        )
    return np.asarray(directions[2], np.float64)


def on_floor(placed: Similarity, points: Array, above: Array, *, as_frame: bool = True) -> Similarity:
    """Turn a shot so that its floor is Blender's: level, at Z = 0.

    Args:
        placed: where the shot stands.
        points: (N, 3) three or more on the floor.
        above: (3,) a point over the floor: the source camera.
        as_frame: the first point becomes Blender's origin, and the second lies in the direction of X. Else the first
            keeps its X and Y, and the shot turns no more than it must.

    Raises:
        BadInputError: the points lie on a line, or the point that should be above lies in the floor.
    """
    normal = plane_normal(points)
    height = float((above - points.mean(0)) @ normal)
    if abs(height) <= 1e-6 * float(np.linalg.norm(above - points.mean(0))):
        raise BadInputError(
            "The source camera lies in the plane of these points, so which side is up cannot be told.",
            "Pick the points on what lies below or above the camera.",
        )
    up = placed.rotation @ (normal if height > 0 else -normal)
    pivot = placed(points[0])
    level = placed.turned(rotation_between(up, DIRECTIONS["Z"]), pivot)
    # The plane passes through the mean of the points; three lie on it.
    level = level.moved(np.array([0.0, 0.0, -float(level(points).mean(0)[2])]))
    if not as_frame:
        return level
    return along(at_origin(level, points[0], keep_height=True), points[:2], "X")


def at_origin(placed: Similarity, point: Array, *, keep_height: bool = False) -> Similarity:
    """Move a shot so that a point (3,) of it lies in Blender's origin, or above or below it."""
    shift = -placed(point)
    if keep_height:
        shift[2] = 0.0
    return placed.moved(shift)


def along(placed: Similarity, points: Array, direction: str) -> Similarity:
    """Turn a shot so that the way from its first to its second point (2, 3) goes along one of ``DIRECTIONS``.

    X and Y are headings: the shot turns about Blender's Z only, so that a floor stays level. Z stands it up, by the
    smallest turn. The first point stays where it is.

    Raises:
        BadInputError: the points are one, or the way between them has no heading.
    """
    wanted = DIRECTIONS[direction]
    way = placed(points[1]) - placed(points[0])
    _check_apart(points)
    if direction.endswith("Z"):
        return placed.turned(rotation_between(way, wanted), placed(points[0]))
    heading = way * (1, 1, 0)
    if float(np.linalg.norm(heading)) < STEEP * float(np.linalg.norm(way)):
        raise BadInputError(
            f"The way between the two points goes straight up, so it cannot become the {direction[-1]} axis.",
            "Pick two points that lie side by side, or align the floor first.",
        )
    angle = float(np.arctan2(wanted[1], wanted[0]) - np.arctan2(heading[1], heading[0]))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    return placed.turned(turn, placed(points[0]))


def distance(placed: Similarity, points: Array) -> float:
    """How far apart two points (2, 3) are in Blender's world."""
    return float(np.linalg.norm(placed(points[1]) - placed(points[0])))


def to_length(placed: Similarity, points: Array, length: float) -> Similarity:
    """Scale a shot about Blender's origin so that two points (2, 3) are ``length`` Blender units apart.

    Raises:
        BadInputError: the points are one, or the length is none.
    """
    _check_apart(points)
    return placed.scaled(_positive(length, "length") / distance(placed, points))


def to_height(placed: Similarity, point: Array, height: float) -> Similarity:
    """Scale a shot about Blender's origin so that a point (3,) is ``height`` Blender units above Z = 0.

    Raises:
        BadInputError: the point is not above the floor, or the height is none.
    """
    now = float(placed(point)[2])
    # Seen from the shot's own origin, so that it is the same question at every scale.
    if now <= NARROW * float(np.linalg.norm(placed(point) - placed.translation)) or now <= 1e-9 * placed.scale:
        raise BadInputError("That point is not above the floor at Z = 0.", "Align the floor first.")
    return placed.scaled(_positive(height, "height") / now)


def _positive(value: float, what: str) -> float:
    if not 0 < value < np.inf:
        raise BadInputError(f"A {what} of {value:g} is none.", f"Give the {what} as a number above zero.")
    return value


def _check_apart(points: Array) -> None:
    # Distances from the shot's origin, where its first camera stands: points that close together cannot be told apart.
    apart, away = float(np.linalg.norm(points[1] - points[0])), float(np.linalg.norm(points, axis=1).max())
    if apart <= 0.1 * NARROW * away:
        raise BadInputError("The two points are one and the same.", "Pick two points that are apart.")


@dataclass(frozen=True)
class Match:
    """A shot that was laid onto another.

    Attributes:
        placed: where it stands then.
        residuals: (N,) Blender units between each pair of points.
        size: the greatest distance between points of the other shot, Blender units.
    """

    placed: Similarity
    residuals: Array
    size: float

    @property
    def rms(self) -> float:
        """Root of the mean square of the residuals, Blender units."""
        return float(np.sqrt((self.residuals**2).mean()))


def onto(own: Array, there: Array) -> Match:
    """The similarity that takes points of one shot nearest to the same points of a shot that stands already.

    Least squares over turn, scale and shift (S. Umeyama, *Least-squares estimation of transformation parameters between
    two point patterns*, 1991).

    Args:
        own: (N, 3) in the shot world, three or more.
        there: (N, 3) the same points, in the same order, in Blender's world.

    Raises:
        BadInputError: the points are not pairs, or lie on a line in one of the shots.
    """
    if len(own) != len(there):
        raise BadInputError(
            f"{len(own)} points were picked in this shot and {len(there)} in the other.",
            "Pick the same points, in the same order, in both.",
        )
    for points in (own, there):
        _check_spread(points)
    own_mean, there_mean = own.mean(0), there.mean(0)
    a, b = own - own_mean, there - there_mean
    u, singular, vt = np.linalg.svd(b.T @ a)
    # Never a mirror: three points and their mirror image lie equally well.
    signs = np.array([1.0, 1.0, float(np.sign(np.linalg.det(u @ vt)))])
    rotation = (u * signs) @ vt
    scale = float((singular * signs).sum() / (a**2).sum())
    placed = Similarity(scale, rotation, there_mean - scale * rotation @ own_mean)
    residuals = np.linalg.norm(placed(own) - there, axis=1)
    size = max(float(np.linalg.norm(p - q)) for p in there for q in there)
    return Match(placed, residuals, size)


def _check_spread(points: Array) -> None:
    lengths = np.linalg.svd(points - points.mean(0), compute_uv=False) if len(points) else np.zeros(2)
    if len(points) < 3 or lengths[1] <= NARROW * lengths[0]:
        raise BadInputError(
            "Two shots are matched by three pairs of points or more that do not lie on a line.",
            "Pick points that make a triangle, as large as the picture allows.",
        )


def picked(values: Sequence[float]) -> Array:
    """Coordinates one after the other -> points (N, 3)."""
    return np.array(values, np.float64).reshape(-1, 3)
