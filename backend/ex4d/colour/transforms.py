# SPDX-License-Identifier: Apache-2.0
"""From a plate's truth to the working picture and back, to scene-linear values and back, and to a display."""

from __future__ import annotations

import threading
from functools import cached_property, lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ex4d.colour import curve
from ex4d.colour.config import Configuration, apply, ocio, ocio_errors, open_configuration
from ex4d.colour.gamuts import AP1, REC709, Matrix, between
from ex4d.colour.known_spaces import known_space
from ex4d.colour.plate_colour import PlateColour
from ex4d.colour.transfer import GAMMA_28, LINEAR, SRGB, Transfer, gamma

Floats = NDArray[np.float32]
FloatType = Literal["float16", "float32"]

#: ``PlateColour.working`` of display pictures beyond their range: their own codes, clipped.
DISPLAY_WORKING = "display-1"
#: ``PlateColour.space`` of files that are described by their chromaticities alone: this and the curve's name.
FILE_PRIMARIES = "primaries of the file"
#: Curves in names of such spaces.
_CURVES: dict[str, Transfer] = {"linear": LINEAR, "srgb": SRGB, GAMMA_28.name: GAMMA_28}

_WHITE_CODE = 65535
# Pixels at a time: what is between stays in the cache.
_BLOCK = 1 << 16
# Brighter than all that K tells apart, small enough that a matrix makes no infinities of it.
_LARGEST = 2.0**40
# Codes 0..1 and room beyond, in 1/65536: interpolated for pictures to look at, where 1e-4 of a code is enough.
_TABLE_FROM, _TABLE_TO, _TABLE_STEPS = -0.25, 1.25, 65536
# Of the display cube's shaper (ACEScct, S-2016-001) and of its side.
_CUBE_SIDE = 65
_CCT_BREAK, _CCT_SLOPE, _CCT_OFFSET = 0.0078125, 10.5402377416545, 0.0729055341958355
_CUBE_BRIGHTEST = 222.86


def file_primaries_space(transfer: str) -> str:
    """``PlateColour.space`` of what is described by its chromaticities and a curve's name alone."""
    return FILE_PRIMARIES if transfer == LINEAR.name else f"{FILE_PRIMARIES}, {transfer}"


class _Curve(Protocol):
    """Between unit codes and scene-linear values in the plate's ``linear_space``."""

    #: each channel by itself
    per_channel: bool

    def to_linear(self, unit: NDArray[np.floating]) -> Floats: ...

    def from_linear(self, linear: NDArray[np.floating]) -> Floats: ...


class _AnalyticalCurve:
    per_channel = True

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer

    def to_linear(self, unit: NDArray[np.floating]) -> Floats:
        return self.transfer.to_linear(unit).astype(np.float32)

    def from_linear(self, linear: NDArray[np.floating]) -> Floats:
        return self.transfer.from_linear(np.nan_to_num(linear)).astype(np.float32)


class _ConfigurationCurve:
    def __init__(self, configuration: Configuration, space: str, linear_space: str) -> None:
        self._forward = configuration.processor(space, linear_space)
        self._inverse = configuration.processor(linear_space, space)
        self.per_channel = is_per_channel(configuration, space, linear_space)

    def to_linear(self, unit: NDArray[np.floating]) -> Floats:
        return apply(self._forward, unit)

    def from_linear(self, linear: NDArray[np.floating]) -> Floats:
        return apply(self._inverse, np.nan_to_num(linear))


def is_per_channel(configuration: Configuration, space: str, linear_space: str) -> bool:
    """Whether the way from a space to a linear one leaves the channels apart: the primaries are the same."""
    probes = np.array([[0.3, 0.5, 0.7], [0.6, 0.2, 0.4], [0.45, 0.65, 0.35]], np.float32)
    forward = configuration.processor(space, linear_space)
    mixed = apply(forward, probes)
    greys = apply(forward, np.repeat(probes.reshape(-1, 1), 3, axis=1))
    alone = np.stack([greys[3 * row + channel, channel] for row in range(3) for channel in range(3)]).reshape(3, 3)
    return bool(np.abs(mixed - alone).max() <= 1e-4 * np.abs(alone).max())


class PlateTransform:
    """The transforms of one plate's colour space; any thread may use it.

    ``unit`` are the truth's values as ``TruthEncoding.unit`` gives them; all arrays are (..., 3), none that comes in is
    changed. NaN and infinities stay in their pixel; in the working picture NaN is black and inf the brightest code.
    """

    def __init__(self, colour: PlateColour) -> None:
        self.colour = colour
        self._lock = threading.Lock()
        self._configuration = _configuration_of(colour)
        self._curve = _curve_of(colour, self._configuration)
        matrix = _matrix_of(colour, self._configuration)
        self._to_rec709 = None if np.allclose(matrix, np.eye(3), atol=1e-7) else matrix
        self._is_display = colour.kind == "display" or colour.working == DISPLAY_WORKING

    def linear(self, unit: NDArray[np.floating]) -> Floats:
        """Scene-linear float32 values in ``colour.linear_space``; those of a "linear" plate as they are."""
        if self._curve is None:
            return np.asarray(unit, np.float32)
        return self._curve.to_linear(unit)

    def unit_from_linear(self, linear: NDArray[np.floating]) -> Floats:
        """The inverse of ``linear``."""
        if self._curve is None:
            return np.asarray(linear, np.float32)
        return self._curve.from_linear(linear)

    def working(self, unit: NDArray[np.floating]) -> NDArray[np.uint16]:
        """The working picture, uint16: through K, or the clipped codes of a display picture."""
        if self._is_display:
            scaled = np.nan_to_num(unit, nan=0.0, posinf=1.0, neginf=0.0) * _WHITE_CODE
            return np.clip(np.rint(scaled), 0, _WHITE_CODE).astype(np.uint16)
        pixels = np.asarray(unit, np.float32).reshape(-1, 3)
        codes = np.empty(pixels.shape, np.uint16)
        for first in range(0, len(pixels), _BLOCK):
            part = slice(first, first + _BLOCK)
            codes[part] = curve.codes_of_linear(self._rec709(self._fast_linear(pixels[part])))
        return codes.reshape(np.shape(unit))

    def from_working(self, codes: NDArray[np.floating]) -> Floats:
        """Scene-linear float32 values in ``colour.linear_space`` of working codes, 0..65535, whole or not."""
        if self._is_display:
            return self.linear(np.clip(np.nan_to_num(codes), 0, _WHITE_CODE) / _WHITE_CODE)
        linear = curve.linear_of_codes(codes)
        if self._to_rec709 is None:
            return linear
        inverse = np.linalg.inv(self._to_rec709).T.astype(np.float32)
        return np.ascontiguousarray(linear @ inverse)

    def display(self, linear: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Scene-linear values in ``colour.linear_space`` as a display shows them, uint8.

        Display pictures give their own codes, in their own primaries; others sRGB codes, through the configuration's
        view for such a display (``display_view``), by a cube: 0.1 codes off on average, 1 at the 99th percentile.
        """
        if self._is_display:
            return _to_8bit(self.unit_from_linear(linear))
        with self._lock:
            cube = self._display_cube
        pixels = np.asarray(linear).reshape(-1, 3)
        codes = np.empty(pixels.shape, np.uint8)
        for first in range(0, len(pixels), _BLOCK):
            part = slice(first, first + _BLOCK)
            finite = np.nan_to_num(pixels[part].astype(np.float32), nan=0.0, posinf=_CUBE_BRIGHTEST, neginf=0.0)
            if cube is None:
                codes[part] = self.working(self.unit_from_linear(finite)) >> 8
            else:
                codes[part] = _to_8bit(apply(cube, finite))
        return codes.reshape(np.shape(linear))

    @property
    def display_view(self) -> tuple[str, str] | None:
        """Display and view of ``display``; None = the plate's own codes, or K where the configuration has no view."""
        return None if self._is_display else _display_view(self._configuration)

    def linear_pixel_type(self, bits: int) -> FloatType:
        """The smallest float type from which all codes of so many bits return exactly, beyond black and white too.

        A code returns if it is nearer to itself than a quarter of a step: luma and chroma of movies come back then.
        Codes that the curve itself does not tell apart, such as those below a log's floor, do not count.
        """
        if self._curve is None:
            return "float16" if bits <= 11 else "float32"
        return "float16" if self._return_from(np.dtype(np.float16), min(bits, 16)) else "float32"

    def _return_from(self, pixel_type: np.dtype[Any], bits: int) -> bool:
        step = 1 / ((1 << bits) - 1)
        beyond = 0.1 if self.colour.kind == "codes" else 0.0
        greys = np.arange(-beyond, 1 + beyond, step)
        unit = np.repeat(greys[:, None], 3, axis=1)
        if self._curve is not None and not self._curve.per_channel:
            colours = np.random.default_rng(0).integers(0, 1 << bits, (20000, 3)) * step
            unit = np.concatenate([unit, colours])
        linear = self.linear(unit.astype(np.float32))
        with np.errstate(over="ignore"):
            kept = linear.astype(pixel_type).astype(np.float32)
        told_apart = np.isfinite(linear) & (np.abs(self.unit_from_linear(linear) - unit) < step / 4)
        if not np.isfinite(kept[told_apart]).all():
            return False
        return bool((np.abs(self.unit_from_linear(kept) - unit)[told_apart] < step / 4).all())

    def _fast_linear(self, unit: Floats) -> Floats:
        """As ``linear``, to what a picture to look at needs."""
        if self._curve is None:
            return unit
        if not self._curve.per_channel:
            return self._curve.to_linear(unit)
        with self._lock:
            values, steps = self._table
        position = np.fmin(np.fmax(unit, np.float32(_TABLE_FROM)), np.float32(_TABLE_TO))
        position -= np.float32(_TABLE_FROM)
        position *= np.float32(_TABLE_STEPS)
        index = position.astype(np.int32)
        position -= index
        channel = np.arange(3)
        position *= steps[index, channel]
        position += values[index, channel]
        return position

    @cached_property
    def _table(self) -> tuple[Floats, Floats]:
        count = int((_TABLE_TO - _TABLE_FROM) * _TABLE_STEPS) + 2
        greys = _TABLE_FROM + np.arange(count, dtype=np.float64) / _TABLE_STEPS
        linear = np.nan_to_num(self.linear(np.repeat(greys[:, None], 3, axis=1)))
        return linear[:-1], np.diff(linear, axis=0)

    def _rec709(self, linear: Floats) -> Floats:
        if self._to_rec709 is None:
            return linear
        finite = np.clip(np.nan_to_num(linear, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST), -_LARGEST, _LARGEST)
        return np.ascontiguousarray(finite @ self._to_rec709.T.astype(np.float32))

    @cached_property
    def _display_cube(self) -> Any | None:
        """A processor from ``linear_space`` to a display: shaper and cube, 16 times as fast as ACES 2's own view."""
        chosen = _display_view(self._configuration)
        matrix = self._to_rec709 if self._to_rec709 is not None else np.eye(3)
        if chosen is None:
            return None
        module = ocio()
        configuration = self._configuration
        side = np.linspace(0, 1, _CUBE_SIDE, dtype=np.float64)
        red, green, blue = np.meshgrid(side, side, side, indexing="ij")  # Lut3DTransform's order: blue the fastest
        shaped = np.stack([red, green, blue], axis=-1)
        wide = _cct_to_linear(shaped)
        to_ap1 = between(REC709.chromaticities, AP1.chromaticities) @ matrix
        linear = (wide @ np.linalg.inv(to_ap1).T).astype(np.float32)
        try:
            source = configuration.find(self.colour.linear_space)
            if source is None:
                source = configuration.find_first(*REC709.all_names) or "scene_linear"
                linear = (linear @ matrix.T).astype(np.float32)
            processor = configuration.config.getProcessor(source, chosen[0], chosen[1], module.TRANSFORM_DIR_FORWARD)
            view = processor.getOptimizedCPUProcessor(
                module.BIT_DEPTH_F32, module.BIT_DEPTH_F32, module.OPTIMIZATION_DEFAULT
            )
        except ocio_errors():
            return None
        shown = apply(view, linear)
        cube = module.Lut3DTransform(gridSize=_CUBE_SIDE)
        cube.setInterpolation(module.INTERP_TETRAHEDRAL)
        cube.setData(np.ascontiguousarray(np.clip(np.nan_to_num(shown), 0, 1), np.float32).reshape(-1))
        expanded = np.eye(4)
        expanded[:3, :3] = to_ap1
        group = module.GroupTransform()
        group.appendTransform(module.MatrixTransform(expanded.reshape(-1).tolist()))
        group.appendTransform(
            module.LogCameraTransform(
                linSideBreak=[_CCT_BREAK] * 3,
                base=2.0,
                logSideSlope=[1 / 17.52] * 3,
                logSideOffset=[9.72 / 17.52] * 3,
                linSideSlope=[1.0] * 3,
                linSideOffset=[0.0] * 3,
                linearSlope=[_CCT_SLOPE] * 3,
                direction=module.TRANSFORM_DIR_FORWARD,
            )
        )
        group.appendTransform(cube)
        return configuration.config.getProcessor(group).getDefaultCPUProcessor()


def _cct_to_linear(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    dark = (codes - _CCT_OFFSET) / _CCT_SLOPE
    return np.where(dark <= _CCT_BREAK, dark, 2 ** (codes * 17.52 - 9.72))


def _to_8bit(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    clipped = np.clip(np.nan_to_num(unit), 0, 1)
    return np.rint(clipped * np.float32(255)).astype(np.uint8)


def _display_view(configuration: Configuration) -> tuple[str, str] | None:
    """An sRGB display and the view that the configuration shows there first; None = it has none."""
    config = configuration.config
    displays = [str(name) for name in config.getDisplays()]
    if not displays:
        return None
    for display in (config.getDefaultDisplay(), *displays):
        if "srgb" in display.lower():
            return str(display), str(config.getDefaultView(display))
    display = str(config.getDefaultDisplay())
    return display, str(config.getDefaultView(display))


def _configuration_of(colour: PlateColour) -> Configuration:
    return open_configuration(colour.config_file or f"ocio://{colour.config}", {})


def _curve_of(colour: PlateColour, configuration: Configuration) -> _Curve | None:
    if colour.kind == "linear":
        return None
    if colour.space in ("", FILE_PRIMARIES):
        return _AnalyticalCurve(LINEAR if colour.space else SRGB)
    if colour.space.startswith(FILE_PRIMARIES):
        name = colour.space.rpartition(", ")[2]
        transfer = _CURVES.get(name) or gamma(float(name.partition("-")[2]))
        return _AnalyticalCurve(transfer)
    if colour.space == colour.linear_space:
        return _AnalyticalCurve(LINEAR)
    found = configuration.find(colour.space)
    known = known_space(configuration.names_of(found) if found else (colour.space,))
    if known is not None:
        return _AnalyticalCurve(known.transfer)
    return _ConfigurationCurve(configuration, configuration.require(colour.space), colour.linear_space)


def _matrix_of(colour: PlateColour, configuration: Configuration) -> Matrix:
    if (found := configuration.find(colour.linear_space)) is not None:
        matrix = configuration.to_rec709(found)
        if matrix is not None:
            return matrix
    if colour.chromaticities is not None:
        return between(colour.chromaticities, REC709.chromaticities)
    return np.eye(3)


@lru_cache(maxsize=16)
def transform_of(colour: PlateColour) -> PlateTransform:
    """The transforms of a plate's colour space; made once and kept.

    Raises:
        BadInputError: its configuration is gone or broken.
    """
    return PlateTransform(colour)
