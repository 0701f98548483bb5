# SPDX-License-Identifier: Apache-2.0
"""The pixels of a take's result: the plate's truth where it is seen, else what was drawn, in the plate's own space."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.colour.plate_colour import PlateColour
from ex4d.colour.transforms import PlateTransform, transform_of
from ex4d.composite.adjust import AdjustedFill
from ex4d.composite.blend import blend, enlarge
from ex4d.fill.background.store import BackgroundStore
from ex4d.fill.base import OtherFrame, PixelOrigin
from ex4d.fill.stage import FillStore
from ex4d.media.encoding import LINEAR_FLOAT, LINEAR_HALF, TruthEncoding, truth_of
from ex4d.media.encoding import display_encoding as display
from ex4d.protocol.values import CodesAs
from ex4d.raster import Texture
from ex4d.raster.store import RasterStore


@dataclass(frozen=True)
class ResultPicture:
    """One frame of a result.

    Attributes:
        number: the plate's frame number.
        pixels: (H, W, 3) values of ``ResultPictures.encoding``.
        alpha: (H, W) of the same dtype, as opaque as can be where something was filled; None where the plate has none.
            Colours of integers are straight, of floats multiplied by it.
        mask: (H, W) uint8, 255 = the plate's own pixel, 0 = filled.
        origin: (h, w) uint8 ``PixelOrigin`` codes, at the generator's size.
        z: (H, W) float32 z-depth in the take camera, world units; NaN = none.
        clipped: whether values lie beyond what is delivered: codes beyond the curve's black and white.
    """

    number: int
    pixels: NDArray[Any]
    alpha: NDArray[Any] | None
    mask: NDArray[np.uint8]
    origin: NDArray[np.uint8]
    z: NDArray[np.float32]
    clipped: bool = False


@dataclass(frozen=True)
class ResultPictures:
    """Makes the frames of a result, in any order and on any thread.

    Attributes:
        raster: the rendered take.
        fill: its filled frames.
        colour: the plate's colour space.
        source_bits: of a code value of the plate.
        pictures: of plates whose truth is codes of a curve: "linear" = scene-linear floats from which the codes return
            exactly, "codes" = these themselves. Others are delivered as they are.
        adjusted: what is done to the fill before it is used.
        background: what other frames show in the holes; None where nobody has looked.
    """

    raster: RasterStore
    fill: FillStore
    colour: PlateColour
    source_bits: int = 8
    pictures: CodesAs = "linear"
    adjusted: AdjustedFill = field(default_factory=AdjustedFill)
    background: BackgroundStore | None = None

    @cached_property
    def encoding(self) -> TruthEncoding:
        """What the values of the result stand for."""
        truth = self.raster.encoding
        if truth is None:
            return truth_of(display(self.raster.color(self.raster.numbers[0]).dtype))
        if truth.kind != "codes" or self.pictures == "codes":
            return truth
        return LINEAR_HALF if self._transform.linear_pixel_type(self.source_bits) == "float16" else LINEAR_FLOAT

    def read(self, number: int) -> ResultPicture:
        """One frame; raises DamagedCacheError."""
        mask, z = self.raster.mask(number), self.raster.z(number)
        truth, alpha = self.raster.truth(number)
        if self.raster.encoding is not None:
            truth, alpha = self._measured(truth, alpha)
        pixels, holes = truth, mask == 0
        clipped = self.encoding.kind == "codes" and self._is_clipped(self.encoding.unit(truth[~holes]))
        if holes.any():
            color = self.raster.color(number)
            other = self.background.working(number) if self.background else None
            seen, seen_mask, seen_z = color, mask, z
            if other is not None:
                seen = np.where(other.known[..., None], other.values, color)
                seen_mask = np.where(other.known, np.uint8(255), mask)
                seen_z = np.where(other.known, other.z, z)
            filled = blend(seen, seen_mask, self._drawn(number), seen_z)
            filled = self.adjusted.with_grain(filled, number, display(color.dtype).white)
            pixels = pixels.copy()
            if self.raster.encoding is None:
                drawn = display(color.dtype).codes(filled)
                pixels = np.asarray(cv2.copyTo(drawn, holes.astype(np.uint8), pixels))
            else:
                unit = self._unit(filled[holes])
                pixels[holes] = self.encoding.values(unit)
                clipped |= self._is_clipped(unit if other is None else unit[~other.known[holes]])
            if other is not None:
                pixels[other.known] = self._from_other_frames(number, color, other)
                clipped |= self._is_clipped(self.encoding.unit(pixels[other.known]))
        if alpha is not None:
            opaque = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
            alpha = np.where(mask > 0, alpha, alpha.dtype.type(opaque))
        return ResultPicture(number, pixels, alpha, mask, self._origin(number, mask), z, clipped)

    def drawn(self, number: int) -> NDArray[Any]:
        """(H, W, 3) the whole picture that the generator drew, at the take's size, in ``encoding``; holes are not drawn
        to the source here."""
        size = self.raster.trajectory.width, self.raster.trajectory.height
        picture = enlarge(self._drawn(number), size)
        if self.raster.encoding is None:
            return display(self.raster.color(number).dtype).codes(picture)
        return self.encoding.values(self._unit(picture))

    def shown(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 of ``pixels`` in ``encoding``, through a display view, for preview movies."""
        unit = self.encoding.unit(pixels)
        return self._transform.display(unit if self.encoding.is_float else self._transform.linear(unit))

    def _origin(self, number: int, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.background is None:
            return self.fill.origin(number)
        origin = np.where(mask > 0, np.uint8(PixelOrigin.MEASURED), np.uint8(PixelOrigin.INVENTED))
        origin[self.background.known(number)] = PixelOrigin.OTHER_FRAME
        return origin

    def _from_other_frames(
        self,
        number: int,
        color: Texture,
        other: OtherFrame,
    ) -> NDArray[Any]:
        """Values (N, 3) in ``encoding`` of what other frames show: their truth, drawn to the frame's own picture along
        the seams."""
        assert self.background is not None
        known = other.known
        working = other.values[known].astype(np.float32)
        drawn = blend(color, other.overlap.astype(np.uint8), other.values, None)[known]
        if self.raster.encoding is None:
            return display(color.dtype).codes(drawn)
        truth, _ = self._measured(self.background.truth(number)[known], None)
        bent = np.abs(drawn - working).max(axis=1) > 0.5
        values = truth.copy()
        shift = self.encoding.values(self._unit(drawn[bent])).astype(np.float64) - self.encoding.values(
            self._unit(working[bent])
        )
        values[bent] = _shifted(truth[bent], shift)
        return values

    @cached_property
    def _transform(self) -> PlateTransform:
        return transform_of(self.colour)

    def _drawn(self, number: int) -> Texture:
        """The generator's picture, working codes at its own size."""
        return self.adjusted.colors(self.fill.color(number))

    def _measured(self, truth: NDArray[Any], alpha: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """The truth in ``encoding``."""
        source = self.raster.encoding
        assert source is not None
        if self.encoding == source:
            return truth, alpha
        linear = self._transform.linear(source.unit(truth))
        if alpha is None:
            return self.encoding.values(linear), None
        share = np.asarray(alpha, np.float32) / np.float32(np.iinfo(alpha.dtype).max)
        return self.encoding.values(linear * share[..., None]), self.encoding.values(share)

    def _unit(self, working: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float working codes (..., 3) as floats of ``encoding``: scene-linear, or codes of which 0 is black and 1
        white."""
        linear = self._transform.from_working(np.clip(working, 0, 65535))
        return linear if self.encoding.kind == "linear" else self._transform.unit_from_linear(linear)

    def _is_clipped(self, unit: NDArray[np.float32]) -> bool:
        """Whether codes lie beyond black and white by more than half a step of 16 bits."""
        if self.encoding.kind != "codes" or not unit.size:
            return False
        return bool(unit.min() < -0.5 / 65535 or unit.max() > 1 + 0.5 / 65535)


def _shifted(values: NDArray[Any], shift: NDArray[np.float64]) -> NDArray[Any]:
    """Values (N, 3) and what is added to them, within what their dtype holds."""
    moved = values.astype(np.float64) + shift
    if values.dtype.kind == "f":
        return np.asarray(moved, values.dtype)
    return np.clip(np.rint(moved), 0, np.iinfo(values.dtype).max).astype(values.dtype)
