# SPDX-License-Identifier: Apache-2.0
"""The shift of colours that a generator brings, fitted where plate and fill show the same, to be taken off.

A model draws the whole picture, what it was given included; its autoencoder and its taste shift brightness, contrast
and saturation. Where the mask is 255 the same pixel is known twice: as the plate has it and as the model drew it. From
these pairs one transform per window is fitted: a matrix with offset, then a monotone curve for each channel. Blur and
noise of the model, and things that it drew otherwise, are not colour: pairs are medians of flat places, and the fit is
robust.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.colour.difference import delta_e_2000, lab_from_srgb

Float = NDArray[np.float64]

#: Counts in keys: another number where the same pictures give another transform.
MATCH_VERSION = 1
#: Places of the curve, as code values in 0..1.
KNOTS = np.linspace(0.0, 1.0, 9)
#: Pairs that are kept of a window: many more say nothing new.
MOST_PAIRS = 60_000
#: Fewer pairs than this say nothing.
LEAST_PAIRS = 200
#: So many pixels of a hole's rim are left out: there the model mixes both.
RIM_PX = 4
#: Codes nearer to black or white than this may have been clipped.
CLIPPED = 2 / 255
#: What is believed before any pair is seen: gains and crossfeed are within 0.15 of none, offsets within 0.06, knots of
#: the curve within 0.08 of their neighbours' mean. Many pairs overrule it; colours that none has keep it.
PRIOR_MATRIX, PRIOR_OFFSET, PRIOR_BEND = 0.15, 0.06, 0.02
#: Transforms that move colours by less than this mean CIEDE2000 are none: a third of what an eye can tell, and twice
#: what noise and wrong pixels alone make of an identity.
LEAST_SHIFT = 0.35
#: A richer transform is taken where it leaves less than this share of what the simpler one leaves.
CLEARLY = 0.93
#: Tukey's constant: residuals beyond so many standard deviations count nothing.
TUKEY = 4.685


@dataclass(frozen=True)
class ColorTransform:
    """A map of colours in 0..1.

    Attributes:
        matrix: (3, 4) applied to (r, g, b, 1).
        curves: (3, K) values of each channel's curve at ``KNOTS``, applied after the matrix; it goes on beyond them as
            a shift.
    """

    matrix: Float
    curves: Float

    @classmethod
    def identity(cls) -> ColorTransform:
        """The map that changes nothing."""
        return cls(np.eye(3, 4), np.tile(KNOTS, (3, 1)))

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return bool((self.matrix == np.eye(3, 4)).all() and (self.curves == KNOTS).all())

    def apply(self, colors: NDArray[Any]) -> NDArray[np.float32]:
        """Colours (…, 3) in 0..1, as float32; not clipped."""
        values = np.asarray(colors, np.float32)
        if self.is_identity:
            return values
        mixed = values @ self.matrix[:, :3].T.astype(np.float32) + self.matrix[:, 3].astype(np.float32)
        out = np.empty_like(mixed)
        for channel, curve in enumerate(self.curves):
            inside = np.clip(mixed[..., channel], 0, 1)
            out[..., channel] = np.interp(inside, KNOTS, curve) + (mixed[..., channel] - inside)
        return out


@dataclass(frozen=True)
class ColorMatch:
    """What was found for a window.

    Attributes:
        transform: what takes the shift off.
        pairs: how many pairs it rests on.
        before, after: median CIEDE2000 of the pairs without and with it.
        note: why there is none; "" where there is one or none is needed.
    """

    transform: ColorTransform = field(default_factory=ColorTransform.identity)
    pairs: int = 0
    before: float = 0.0
    after: float = 0.0
    note: str = ""

    def record(self) -> dict[str, Any]:
        """As take.json has it."""
        return {
            "version": MATCH_VERSION,
            "pairs": self.pairs,
            "delta_e_before": round(self.before, 3),
            "delta_e_after": round(self.after, 3),
            "matrix": [[round(float(value), 6) for value in row] for row in self.transform.matrix],
            "knots": KNOTS.tolist(),
            "curves": [[round(float(value), 6) for value in row] for row in self.transform.curves],
        }


def frame_pairs(
    fill: NDArray[Any], color: NDArray[Any], mask: NDArray[np.uint8], white: int, most: int
) -> tuple[Float, Float]:
    """Colours of the same places as the generator drew them and as the plate has them, both (N, 3) in 0..1.

    Args:
        fill: (h, w, 3) the generator's picture.
        color: (H, W, 3) the plate's render, in the same codes.
        mask: (H, W) uint8, 255 = known.
        white: the highest code.
        most: about so many pairs, evenly spread.
    """
    height, width = fill.shape[:2]
    known = (mask > 0).astype(np.uint8)
    plate = np.asarray(color.astype(np.float32) / white, np.float32)
    if plate.shape[:2] != (height, width):
        # Holes must not darken what is beside them.
        share = cv2.resize(known.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        small = cv2.resize(plate * known[..., None], (width, height), interpolation=cv2.INTER_AREA)
        plate = np.asarray(small / np.maximum(share, 1e-6)[..., None], np.float32)
        known = (share > 0.999).astype(np.uint8)
    kernel = np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)
    usable = cv2.erode(known, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    drawn = _calm(np.asarray(fill.astype(np.float32) / white, np.float32))
    plate = _calm(plate)
    # Blur moves colours across edges: flat places tell.
    grey = plate.mean(axis=2)
    relief = cv2.dilate(grey, np.ones((5, 5))) - cv2.erode(grey, np.ones((5, 5)))
    if usable.any():
        usable &= relief <= np.quantile(relief[usable], 0.6)
    for picture in (drawn, plate):
        usable &= (picture > CLIPPED).all(axis=2) & (picture < 1 - CLIPPED).all(axis=2)
    found = np.flatnonzero(usable)
    found = found[:: max(1, len(found) // max(most, 1))]
    return drawn.reshape(-1, 3)[found].astype(np.float64), plate.reshape(-1, 3)[found].astype(np.float64)


def _calm(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without noise and single wrong pixels."""
    median = np.dstack([cv2.medianBlur(np.ascontiguousarray(picture[..., k]), 5) for k in range(3)])
    return np.asarray(cv2.GaussianBlur(median, (0, 0), 1.0), np.float32)


def match_colors(
    frames: Iterable[tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]], count: int, white: int
) -> ColorMatch:
    """The transform from a generator's colours to the plate's, for one window.

    Args:
        frames: fill, plate's render and mask of each frame, see ``frame_pairs``.
        count: number of frames.
        white: the highest code.
    """
    found = [frame_pairs(*frame, white, MOST_PAIRS // max(count, 1)) for frame in frames]
    drawn = np.concatenate([pair[0] for pair in found]) if found else np.empty((0, 3))
    plate = np.concatenate([pair[1] for pair in found]) if found else np.empty((0, 3))
    if len(drawn) < LEAST_PAIRS:
        return ColorMatch(
            pairs=len(drawn), note="Too little of the plate is seen to tell whether the generator shifted its colours."
        )
    wanted = lab_from_srgb(plate)
    before = float(np.median(delta_e_2000(lab_from_srgb(drawn), wanted)))
    transform, after = _simplest(drawn, plate, wanted)
    moved = transform.apply(drawn)
    shift = float(np.mean(delta_e_2000(lab_from_srgb(moved), lab_from_srgb(drawn))))
    if shift < LEAST_SHIFT or after >= before:
        return ColorMatch(pairs=len(drawn), before=before, after=before)
    return ColorMatch(transform, len(drawn), before, after)


def _simplest(drawn: Float, plate: Float, wanted: Float) -> tuple[ColorTransform, float]:
    """The transform, and the median CIEDE2000 that it leaves: curves or a matrix alone where both together do not fit
    clearly better, because the colours of holes are often others than those that were seen."""
    best, least = ColorTransform.identity(), np.inf
    for use_matrix, use_curves in ((False, True), (True, False), (True, True)):
        transform = fit_transform(drawn, plate, use_matrix=use_matrix, use_curves=use_curves)
        left = float(np.median(delta_e_2000(lab_from_srgb(transform.apply(drawn)), wanted)))
        if left < CLEARLY * least:
            best, least = transform, left
    return best, least


def fit_transform(drawn: Float, plate: Float, *, use_matrix: bool = True, use_curves: bool = True) -> ColorTransform:
    """The robust fit of ``plate`` by ``drawn``, both (N, 3) in 0..1: matrix and curves in turn, each with the other's
    result, under Tukey's weights."""
    rows = np.column_stack([drawn, np.ones(len(drawn))])
    matrix, curves = np.eye(3, 4), np.tile(KNOTS, (3, 1))
    for _ in range(12 if use_matrix and use_curves else 6):
        if use_matrix:
            weight = _weights(plate - _through(curves, rows @ matrix.T))
            # The matrix works on the plate's colours with the curves taken off.
            matrix = _fit_matrix(rows, _through_inverse(curves, plate), weight)
        if use_curves:
            mixed = rows @ matrix.T
            weight = _weights(plate - _through(curves, mixed))
            curves = np.stack([_fit_curve(mixed[:, k], plate[:, k], weight) for k in range(3)])
    return ColorTransform(matrix, curves)


def _weights(residual: Float) -> Float:
    """(N,) Tukey's biweight of the residuals (N, 3), over the square of their scale."""
    scale = np.maximum(1.4826 * np.median(np.abs(residual), axis=0), 1e-3)
    distance = np.sqrt(((residual / scale) ** 2).mean(axis=1)) / TUKEY
    return np.asarray(np.where(distance < 1, (1 - distance**2) ** 2, 0) / float((scale**2).mean()))


def _fit_matrix(rows: Float, wanted: Float, weight: Float) -> Float:
    prior = np.diag([PRIOR_MATRIX**-2] * 3 + [PRIOR_OFFSET**-2])
    normal = (rows * weight[:, None]).T @ rows + prior
    right = (rows * weight[:, None]).T @ wanted + prior @ np.eye(3, 4).T
    return np.asarray(np.linalg.solve(normal, right).T, np.float64)


def _fit_curve(x: Float, y: Float, weight: Float) -> Float:
    """Values at the knots: smooth, rising, near the identity where nothing is known."""
    place = np.clip(x, 0, 1) * (len(KNOTS) - 1)
    low = np.minimum(place.astype(np.intp), len(KNOTS) - 2)
    share = place - low
    basis = np.zeros((len(KNOTS), len(KNOTS)))
    np.add.at(basis, (low, low), weight * (1 - share) ** 2)
    np.add.at(basis, (low + 1, low + 1), weight * share**2)
    cross = np.zeros_like(basis)
    np.add.at(cross, (low, low + 1), weight * (1 - share) * share)
    right = np.zeros(len(KNOTS))
    target = y - x  # of the curve's distance from the identity
    np.add.at(right, low, weight * (1 - share) * target)
    np.add.at(right, low + 1, weight * share * target)
    bend = np.diff(np.eye(len(KNOTS)), 2, axis=0) / PRIOR_BEND
    level = np.eye(len(KNOTS)) / PRIOR_OFFSET**2
    shift = np.linalg.solve(basis + cross + cross.T + bend.T @ bend + level, right)
    # A curve that falls would turn colours over.
    return np.maximum.accumulate(KNOTS + shift + 1e-4 * np.arange(len(KNOTS)) * (np.diff(KNOTS + shift) <= 0).any())


def _through(curves: Float, values: Float) -> Float:
    inside = np.clip(values, 0, 1)
    out = [np.interp(inside[:, k], KNOTS, curve) for k, curve in enumerate(curves)]
    return np.column_stack(out) + (values - inside)


def _through_inverse(curves: Float, values: Float) -> Float:
    return np.column_stack([np.interp(values[:, k], curve, KNOTS) for k, curve in enumerate(curves)])
