# SPDX-License-Identifier: Apache-2.0
"""What files say of the lens: EXIF of stills, OpenEXR's standard attributes, QuickTime's camera metadata."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ex4d.media.headers import exif_block
from ex4d.media.tiff import directories

#: Diagonal of a frame of 35 mm film, mm: CIPA DCG-001 compares lenses by it.
FILM_DIAGONAL = math.hypot(36, 24)
# EXIF 3.0: where the EXIF directory is, and the tag FocalLengthIn35mmFilm, 0 = not known.
_EXIF_IFD, _EQUIVALENT = 34665, 41989
_QUICKTIME = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
# The first that is there counts: a nominal one is a number on a barrel.
_EXR_FOCALS = ("pinholeFocalLength", "effectiveFocalLength", "nominalFocalLength")


@dataclass(frozen=True)
class LensTags:
    """A focal length with what it counts on.

    Attributes:
        focal_mm: of the lens, mm; or, without ``sensor_mm``, of the lens that shows the same diagonal on 35 mm film.
        sensor_mm: width of what the frame shows of the sensor, mm.
    """

    focal_mm: float
    sensor_mm: float | None = None

    def fov_deg(self, width: float, height: float) -> float:
        """Field of view over the longer side, degrees.

        Args:
            width, height: of the frame as it looks, in any one unit.
        """
        across, sensor = width, self.sensor_mm
        if sensor is None:
            across, sensor = math.hypot(width, height), FILM_DIAGONAL
        return math.degrees(2 * math.atan(max(width, height) / across * sensor / 2 / self.focal_mm))

    def __str__(self) -> str:
        counts_on = "35 mm equivalent" if self.sensor_mm is None else f"a sensor {self.sensor_mm:g} mm wide"
        return f"{self.focal_mm:g} mm, {counts_on}"


def still_lens(data: bytes) -> LensTags | None:
    """What the EXIF block of a JPEG, PNG or TIFF says; None where it says nothing or is damaged."""
    try:
        first = next(directories(exif_block(data)), None)
        directory = first and first.follow(_EXIF_IFD)
        focal = directory.value(_EQUIVALENT, 0) if directory else 0
    except ValueError:
        return None
    return LensTags(float(focal)) if focal > 0 else None


def exr_lens(header: Mapping[str, Any]) -> LensTags | None:
    """What the header of an OpenEXR file says: a focal length, and how much of the sensor the pixels are."""
    focal = next((mm for name in _EXR_FOCALS if (mm := _number(header.get(name))) is not None), None)
    pitch, rectangle = _number(header.get("sensorPhotositePitch")), header.get("sensorAcquisitionRectangle")
    sensor: float | None = None
    if pitch is not None and rectangle is not None:
        (left, _), (right, _) = rectangle
        sensor = _number((int(right) - int(left) + 1) * pitch / 1000)
    elif (sides := header.get("sensorOverallDimensions")) is not None:
        sensor = _number(sides[0])
    return LensTags(focal, sensor) if focal is not None and sensor is not None else None


def movie_lens(metadata: Iterable[Mapping[str, str]]) -> LensTags | None:
    """What the metadata of a container and its streams say."""
    for tags in metadata:
        if (focal := _number(tags.get(_QUICKTIME))) is not None:
            return LensTags(focal)
    return None


def _number(value: Any) -> float | None:
    """A number above 0; None where it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if 0 < found < math.inf else None
