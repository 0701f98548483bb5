# SPDX-License-Identifier: Apache-2.0
"""Lens distortion: Blender's four models and OpenCV's, between ideal and distorted normalised coordinates.

Normalised coordinates are ((u − cx)/fx, (v − cy)/fy) with OpenCV's axes (x right, y down), so that a lens knows
nothing of pixels: it stays the same at any size and pixel aspect. Ideal = as a pinhole sees it, distorted = as the
plate is.

Formulas, r² = x² + y²: libmv's distortion_models.h as Blender has them, and the documentation of OpenCV's calib3d.

    polynomial  ideal -> distorted  x(1 + k1 r² + k2 r⁴ + k3 r⁶)
    division    ideal -> distorted  x/(1 + k1 r² + k2 r⁴)
    brown       ideal -> distorted  x(1 + k1 r² + … + k4 r⁸) + p1(r² + 2x²) + 2 p2 xy, and y alike with p1 and p2
                                    exchanged; its y points up
    nuke        distorted -> ideal  x/(1 + k1 r² + k2 r⁴); Blender's numbers count halves of the longer side
                                    (``lens_from_blender``), these focal lengths as all others
    opencv      ideal -> distorted  x(1 + k1 r² + k2 r⁴ + k3 r⁶)/(1 + k4 r² + k5 r⁴ + k6 r⁶) + 2 p1 xy + p2(r² + 2x²)
                                    + s1 r² + s2 r⁴; y with p1(r² + 2y²) + 2 p2 xy + s3 r² + s4 r⁴

Such polynomials fold over some way outside the picture. Beyond ``Lens.valid_radius`` a lens goes on straight along its
last slope, so that each ray has one place and each place one ray; a plate's own picture never lies there
(``check_picture``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json

Array = NDArray[np.float64]

#: The coefficients of each model in the order in which ``Lens`` keeps them.
COEFFICIENTS: dict[str, tuple[str, ...]] = {
    "polynomial": ("k1", "k2", "k3"),
    "division": ("k1", "k2"),
    "brown": ("k1", "k2", "k3", "k4", "p1", "p2"),
    "nuke": ("k1", "k2"),
    "opencv": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4"),
}
LENS_FORMAT = "ex4d-lens"
LENS_VERSION = 1

#: Where a small area of the picture shrinks to less than this share, or a side grows to more than so many times, the
#: model is at its fold or its pole and describes no lens any more.
LEAST_AREA, MOST_STRETCH = 1e-2, 30.0
#: Radii and directions at which that is looked for: up to 89 degrees from the axis.
_SCANNED_RADII = np.concatenate([np.linspace(0, 4, 4001), np.geomspace(4, 57, 400)[1:]])
_SCANNED_DIRECTIONS = 48
#: Points that are inverted at a time, Newton's steps at most, and the error that is none: a millionth of a pixel of
#: the longest lens on the largest sensor.
_CHUNK, _STEPS, _CONVERGED = 1 << 17, 40, 1e-13
#: Larger errors than this are no inverse.
_FAILED = 1e-10
#: Points along each side of a picture that ``check_picture`` looks at.
_BORDER_POINTS = 129


@dataclass(frozen=True)
class _Terms:
    """All models as one formula: numerator and denominator in powers of r² from r² on, tangential and thin-prism terms
    as OpenCV has them; ``ideal`` = it gives the ideal point of a distorted one."""

    numerator: tuple[float, ...] = ()
    denominator: tuple[float, ...] = ()
    p1: float = 0.0
    p2: float = 0.0
    prism: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    ideal: bool = False


@dataclass(frozen=True)
class Lens:
    """One lens.

    Attributes:
        model: a key of ``COEFFICIENTS``.
        coefficients: as many numbers as that names; fewer are filled up with zeros.

    Raises:
        BadInputError: there is no such model, or the numbers are not finite or too many.
    """

    model: str
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        names = COEFFICIENTS.get(self.model)
        if names is None:
            raise BadInputError(
                f"There is no lens model «{str(self.model)[:40]}».", f"Use one of: {', '.join(COEFFICIENTS)}."
            )
        if len(self.coefficients) > len(names) or not all(map(math.isfinite, self.coefficients)):
            raise BadInputError(
                f"The coefficients of the lens do not fit the model {self.model}.",
                f"It takes finite numbers: {', '.join(names)}.",
            )
        filled = (*map(float, self.coefficients), *(0.0,) * (len(names) - len(self.coefficients)))
        object.__setattr__(self, "coefficients", filled)

    @property
    def is_identity(self) -> bool:
        """Whether it distorts nothing."""
        return not any(self.coefficients)

    @property
    def valid_radius(self) -> float:
        """Distance from the axis, in ideal normalised coordinates (distorted ones of the model nuke), up to which the
        model is one to one in all directions; inf where it is up to 89 degrees."""
        return _valid_radius(_terms(self))

    def distort(self, xy: Array) -> Array:
        """Ideal normalised coordinates (..., 2) float64 -> distorted ones."""
        terms = _terms(self)
        return _inverted(terms, xy) if terms.ideal else _continued(terms, np.asarray(xy, np.float64))

    def undistort(self, xy: Array) -> Array:
        """Distorted normalised coordinates (..., 2) float64 -> ideal ones, to about 1e-12.

        Raises:
            BadInputError: the lens has no inverse there.
        """
        terms = _terms(self)
        return _continued(terms, np.asarray(xy, np.float64)) if terms.ideal else _inverted(terms, xy)

    def check_picture(self, K: Array, width: int, height: int) -> None:
        """Raise BadInputError where the model folds over inside a picture of that camera.

        Args:
            K: (3, 3), pixels.
            width, height: pixels.
        """
        x, y = np.linspace(0, width, _BORDER_POINTS), np.linspace(0, height, _BORDER_POINTS)
        border = np.concatenate(
            [np.stack(np.broadcast_arrays(*side), -1) for side in ((x, 0.0), (x, float(height)), (0.0, y), (width, y))]
        )
        distorted = (border - K[:2, 2]) / (K[0, 0], K[1, 1])
        domain = distorted if _terms(self).ideal else self.undistort(distorted)
        if float(np.linalg.norm(domain, axis=-1).max()) > self.valid_radius:
            raise BadInputError(
                "The lens folds over inside the picture: its distortion is too strong for this focal length.",
                "Check its coefficients, and the focal length that they belong to (the field of view).",
            )

    def record(self) -> dict[str, Any]:
        """JSON-able: the model, and its coefficients by name without those that are zero."""
        named = zip(COEFFICIENTS[self.model], self.coefficients, strict=True)
        return {"model": self.model, "coefficients": {name: value for name, value in named if value}}

    @classmethod
    def from_record(cls, record: object) -> Lens:
        """What ``record`` gave; coefficients may also be a list in the model's order. Raises BadInputError."""
        match record:
            case {"model": str(model), "coefficients": dict(named)} if named.keys() <= set(COEFFICIENTS.get(model, ())):
                return cls(model, _numbers([named.get(name, 0.0) for name in COEFFICIENTS[model]]))
            case {"model": str(model), "coefficients": list(values)}:
                return cls(model, _numbers(values))
            case {"model": str(model), "coefficients": dict(named)} if model in COEFFICIENTS:
                unknown = min(named.keys() - set(COEFFICIENTS[model]))
                raise BadInputError(
                    f"The lens model {model} has no coefficient «{str(unknown)[:40]}».",
                    f"It takes {', '.join(COEFFICIENTS[model])}.",
                )
            case {"model": str(model), "coefficients": dict()}:
                return cls(model, ())
        raise BadInputError(
            "The lens has no model and coefficients.",
            'It is JSON such as {"model": "brown", "coefficients": {"k1": -0.1, "p1": 0.001}}.',
        )


@dataclass(frozen=True)
class CalibratedCamera:
    """The pinhole that a lens was calibrated with.

    Attributes:
        focal: (fx, fy) pixels.
        principal: (cx, cy) pixels, centres at i+0.5.
        size: (width, height) pixels.
    """

    focal: tuple[float, float]
    principal: tuple[float, float]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        numbers = (*self.focal, *self.principal)
        if min(*self.focal, *self.size) <= 0 or not all(map(math.isfinite, numbers)):
            raise BadInputError(
                "The camera of the lens has a focal length or a size that none has.",
                "Give fx, fy, cx, cy, width and height in pixels.",
            )

    @property
    def fov_deg(self) -> float:
        """Field of view over the longer side as it looks, degrees, with the principal point in the middle."""
        tangent = max(self.size[0] / self.focal[0], self.size[1] / self.focal[1]) / 2
        return math.degrees(2 * math.atan(tangent))

    def intrinsics(self, width: int, height: int) -> Array:
        """(3, 3) intrinsics at another pixel size."""
        x, y = width / self.size[0], height / self.size[1]
        return np.array(
            [[self.focal[0] * x, 0, self.principal[0] * x], [0, self.focal[1] * y, self.principal[1] * y], [0, 0, 1]]
        )


@dataclass(frozen=True)
class LensCalibration:
    """What a lens file says.

    Attributes:
        lens: the distortion.
        camera: the pinhole that it belongs to; None = the file tells none, and the coefficients count on the focal
            length that is otherwise known.
    """

    lens: Lens
    camera: CalibratedCamera | None = None

    def text(self) -> str:
        """As JSON, which ``parse_lens`` reads."""
        document: dict[str, Any] = {"format": LENS_FORMAT, "version": LENS_VERSION, **self.lens.record()}
        if self.camera is not None:
            values = (*self.camera.focal, *self.camera.principal, *self.camera.size)
            document["camera"] = dict(zip(_CAMERA_KEYS, values, strict=True))
        return json.dumps(document)


_CAMERA_KEYS = ("fx", "fy", "cx", "cy", "width", "height")


def parse_lens(text: str | bytes) -> LensCalibration:
    """A lens from our JSON: ``model``, ``coefficients`` and, where it is known, ``camera`` with fx, fy, cx, cy (pixels,
    centres at i+0.5), width and height.

    Raises:
        BadInputError: it is none.
    """
    try:
        document = parse_json(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("version", LENS_VERSION) != LENS_VERSION:
        raise BadInputError("The lens is of another version.", "Update ex4d, or export it again.")
    lens = Lens.from_record(document)
    camera = document.get("camera") if isinstance(document, dict) else None
    if camera is None:
        return LensCalibration(lens)
    if not isinstance(camera, dict) or not camera.keys() >= set(_CAMERA_KEYS):
        raise BadInputError(
            "The camera of the lens lacks a number.", f"It needs {', '.join(_CAMERA_KEYS)}, all in pixels."
        )
    fx, fy, cx, cy, width, height = _numbers([camera[key] for key in _CAMERA_KEYS])
    return LensCalibration(lens, CalibratedCamera((fx, fy), (cx, cy), (round(width), round(height))))


def lens_from_blender(
    model: str,
    coefficients: Mapping[str, float],
    focal_px: float,
    size: tuple[int, int],
    pixel_aspect: float = 1.0,
) -> Lens:
    """The lens of Blender's ``MovieTrackingCamera``.

    Args:
        model: its ``distortion_model``: POLYNOMIAL, DIVISION, NUKE or BROWN.
        coefficients: of that model, by ``k1`` … ``p2`` (``brown_k1`` is ``k1`` of BROWN).
        focal_px: ``focal_length_pixels``: widths of a pixel.
        size: (width, height) of the clip, pixels.
        pixel_aspect: ``pixel_aspect``: a pixel's width by its height.
    """
    name = model.lower()
    if name == "nuke":
        half = max(size[0], size[1] / pixel_aspect) / 2
        scale = (focal_px / half) ** 2
        return Lens(name, (coefficients.get("k1", 0.0) * scale, coefficients.get("k2", 0.0) * scale**2))
    return Lens(name, tuple(coefficients.get(key, 0.0) for key in COEFFICIENTS.get(name, ())))


def camera_from_blender(
    focal_px: float, principal: tuple[float, float], size: tuple[int, int], pixel_aspect: float = 1.0
) -> CalibratedCamera:
    """The pinhole of Blender's ``MovieTrackingCamera``.

    Args:
        focal_px: ``focal_length_pixels``: widths of a pixel.
        principal: ``principal_point_pixels``: from the picture's bottom left corner.
        size, pixel_aspect: as ``lens_from_blender``.
    """
    return CalibratedCamera((focal_px, focal_px * pixel_aspect), (principal[0], size[1] - principal[1]), size)


def _numbers(values: Sequence[object]) -> tuple[float, ...]:
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        raise BadInputError("The lens has something other than numbers.", "Export it again.")
    return tuple(numbers)


def _terms(lens: Lens) -> _Terms:
    k = lens.coefficients
    match lens.model:
        case "polynomial":
            return _Terms(numerator=k)
        case "division":
            return _Terms(denominator=k)
        case "nuke":
            return _Terms(denominator=k, ideal=True)
        case "brown":
            # y points up there, and p1 and p2 have each other's names.
            return _Terms(numerator=k[:4], p1=-k[5], p2=k[4])
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = k
    return _Terms((k1, k2, k3), (k4, k5, k6), p1, p2, (s1, s2, s3, s4))


def _series(coefficients: Sequence[float], r2: Array) -> tuple[Array, Array]:
    """1 + c1 r² + c2 r⁴ + …, and its derivative by r²."""
    value, slope = np.zeros_like(r2), np.zeros_like(r2)
    for coefficient in (*reversed(coefficients), 1.0):
        slope = slope * r2 + value
        value = value * r2 + coefficient
    return value, slope


def _formula(terms: _Terms, xy: Array) -> tuple[Array, Array]:
    """The model at points (N, 2): values (N, 2) and Jacobians (N, 2, 2)."""
    x, y = xy[:, 0], xy[:, 1]
    r2 = x * x + y * y
    above, above_slope = _series(terms.numerator, r2)
    below, below_slope = _series(terms.denominator, r2)
    factor = above / below
    slope = 2 * (above_slope - factor * below_slope) / below
    value = xy * factor[:, None]
    jacobian = np.empty((len(xy), 2, 2))
    jacobian[:, 0, 0] = factor + slope * x * x
    jacobian[:, 0, 1] = jacobian[:, 1, 0] = slope * x * y
    jacobian[:, 1, 1] = factor + slope * y * y
    p1, p2, (s1, s2, s3, s4) = terms.p1, terms.p2, terms.prism
    if p1 or p2:
        value[:, 0] += 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        value[:, 1] += p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        across = 2 * (p1 * x + p2 * y)
        jacobian[:, 0, 0] += 2 * p1 * y + 6 * p2 * x
        jacobian[:, 0, 1] += across
        jacobian[:, 1, 0] += across
        jacobian[:, 1, 1] += 6 * p1 * y + 2 * p2 * x
    if any(terms.prism):
        value[:, 0] += s1 * r2 + s2 * r2 * r2
        value[:, 1] += s3 * r2 + s4 * r2 * r2
        for row, (first, second) in enumerate(((s1, s2), (s3, s4))):
            by_r2 = 2 * (first + 2 * second * r2)
            jacobian[:, row, 0] += by_r2 * x
            jacobian[:, row, 1] += by_r2 * y
    return value, jacobian


@lru_cache(maxsize=64)
def _valid_radius(terms: _Terms) -> float:
    """See ``Lens.valid_radius``."""
    angles = np.arange(_SCANNED_DIRECTIONS) * (2 * math.pi / _SCANNED_DIRECTIONS)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    points = (_SCANNED_RADII[:, None, None] * directions).reshape(-1, 2)
    with np.errstate(all="ignore"):
        _, jacobian = _formula(terms, points)
        below, _ = _series(terms.denominator, (points * points).sum(axis=-1))
        area = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
        # A pole has one sign of the denominator before and another behind it.
        good = (area >= LEAST_AREA) & (np.abs(jacobian).max(axis=(1, 2)) <= MOST_STRETCH) & (below > 0)
    # Both directions of a picture turned inside out give a positive area too.
    good &= jacobian[:, 0, 0] + jacobian[:, 1, 1] > 0
    bad = np.flatnonzero(~good.reshape(len(_SCANNED_RADII), -1).all(axis=1))
    if len(bad) == 0:
        return math.inf
    if bad[0] <= 1:
        raise BadInputError("The lens has no picture at all around its axis.", "Check its coefficients.")
    return float(_SCANNED_RADII[bad[0] - 1])


def _continued(terms: _Terms, xy: Array) -> Array:
    """The model at points (..., 2), beyond the valid radius along its last slope."""
    flat = np.ascontiguousarray(xy, dtype=np.float64).reshape(-1, 2)
    limit = _valid_radius(terms)
    radius = np.hypot(flat[:, 0], flat[:, 1])
    out = np.empty_like(flat)
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        share = np.minimum(1.0, limit / np.maximum(radius[part], 1e-300))[:, None]
        inside = flat[part] * share
        value, jacobian = _formula(terms, inside)
        outside = share[:, 0] < 1
        if outside.any():
            beyond = flat[part][outside] - inside[outside]
            value[outside] += np.einsum("nij,nj->ni", jacobian[outside], beyond)
        out[part] = value
    return out.reshape(np.shape(xy))


def _jacobians(terms: _Terms, xy: Array) -> Array:
    """(N, 2, 2) of ``_continued``; beyond the valid radius by differences."""
    limit = _valid_radius(terms)
    outside = np.hypot(xy[:, 0], xy[:, 1]) > limit
    share = np.where(outside, 0.0, 1.0)[:, None]
    _, jacobian = _formula(terms, xy * share)
    if outside.any():
        step, points = 1e-6, xy[outside]
        for axis in range(2):
            offset = np.zeros(2)
            offset[axis] = step
            there, here = _continued(terms, points + offset), _continued(terms, points - offset)
            jacobian[outside, :, axis] = (there - here) / (2 * step)
    return jacobian


@lru_cache(maxsize=64)
def _radial_table(terms: _Terms) -> tuple[Array, Array, float]:
    """Radii before and behind the radial part of the model, both rising, and the slope at their end."""
    radii = np.linspace(0, min(_valid_radius(terms), float(_SCANNED_RADII[-1])), 4097)
    above, above_slope = _series(terms.numerator, radii**2)
    below, below_slope = _series(terms.denominator, radii**2)
    factor = above / below
    slope = factor + 2 * radii**2 * (above_slope - factor * below_slope) / below
    return radii, np.maximum.accumulate(radii * factor), max(float(slope[-1]), LEAST_AREA)


def _inverted(terms: _Terms, xy: Array) -> Array:
    """Where ``_continued`` has the values (..., 2): Newton's method from the radial part's table."""
    goal = np.ascontiguousarray(xy, dtype=np.float64).reshape(-1, 2)
    out = np.empty_like(goal)
    for start in range(0, len(goal), _CHUNK):
        out[start : start + _CHUNK] = _inverted_chunk(terms, goal[start : start + _CHUNK])
    return out.reshape(np.shape(xy))


def _inverted_chunk(terms: _Terms, goal: Array) -> Array:
    before, behind, slope = _radial_table(terms)
    radius = np.hypot(goal[:, 0], goal[:, 1])
    guess = np.interp(radius, behind, before) + np.maximum(0.0, radius - behind[-1]) / slope
    found = goal * (guess / np.maximum(radius, 1e-300))[:, None]
    error = goal - _continued(terms, found)
    size = np.abs(error).max(axis=1)
    damping = np.ones(len(goal))
    allowed = 1 + radius
    for _ in range(_STEPS):
        active = np.flatnonzero(size > _CONVERGED * allowed)
        if len(active) == 0:
            break
        jacobian = _jacobians(terms, found[active])
        determinant = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
        ex, ey = error[active].T
        move = (
            np.stack(
                [
                    jacobian[:, 1, 1] * ex - jacobian[:, 0, 1] * ey,
                    jacobian[:, 0, 0] * ey - jacobian[:, 1, 0] * ex,
                ],
                axis=-1,
            )
            * (damping[active] / determinant)[:, None]
        )
        trial = found[active] + move
        trial_error = goal[active] - _continued(terms, trial)
        trial_size = np.abs(trial_error).max(axis=1)
        better = trial_size < size[active]
        taken = active[better]
        found[taken], error[taken], size[taken] = trial[better], trial_error[better], trial_size[better]
        damping[active] = np.where(better, np.minimum(1.0, 2 * damping[active]), damping[active] / 2)
    if np.any(size > _FAILED * allowed):
        raise BadInputError(
            "The lens cannot be inverted: several rays meet in one pixel.",
            "Check its coefficients, and the focal length that they belong to (the field of view).",
        )
    return found
