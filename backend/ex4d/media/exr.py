# SPDX-License-Identifier: Apache-2.0
"""One float channel of an OpenEXR file, such as depth.

Layers and parts are named as the OpenEXR documents "Technical Introduction" and "Multi-Part Images" have it: layer and
channel are joined by dots, and a part's name is a layer its channels need not repeat.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.files import atomic_path
from ex4d.inputs import read_bytes
from ex4d.protocol.errors import BadInputError

#: Where depth is looked for, in this order. Renderers write Z, alone or in a layer; Blender 5 writes the V of a part
#: ViewLayer.Depth; video depth tools write Y or R. Upper and lower case are the same.
DEPTH_CHANNELS = ("Z", "*Depth.Z", "*Depth.V", "*Depth.Y", "*Depth.R", "*Depth", "Y", "R", "V")

#: 16384 x 16384. A damaged header can ask for any size, and OpenEXR would try to allocate it.
MAX_PIXELS = 1 << 28

# What the binding raises on files that are damaged in one way or another.
_BINDING_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, OverflowError, MemoryError)

# A Z among X and Y is a direction or a position, and a V beside a U a texture coordinate.
_VECTOR_SIBLINGS: dict[str, set[str]] = {"x": {"y", "z"}, "y": {"x", "z"}, "z": {"x", "y"}, "u": {"v"}, "v": {"u"}}


@dataclass(frozen=True)
class ExrChannel:
    """One channel of an OpenEXR file.

    Attributes:
        name: layer and channel, ``ViewLayer.Depth.Z``.
        values: (H, W) float32 over the display window; NaN where the file's data window does not reach.
    """

    name: str
    values: NDArray[np.float32]


@dataclass(frozen=True)
class _Candidate:
    part: int
    channel: str
    full_name: str
    siblings: frozenset[str]

    def matches(self, pattern: str) -> bool:
        return fnmatchcase(self.full_name.lower(), pattern.lower())

    def matches_in_its_part(self, pattern: str) -> bool:
        channel = self.channel.lower()
        is_vector = bool(_VECTOR_SIBLINGS.get(channel, set()) & self.siblings)
        return not is_vector and fnmatchcase(channel, pattern.lower())


@dataclass(frozen=True)
class _Window:
    """Pixels x0..x1 and y0..y1, half-open."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def of(cls, header: dict[str, object], name: str) -> _Window:
        low, high = np.asarray(header[name]).tolist()
        return cls(low[0], low[1], high[0] + 1, high[1] + 1)

    @property
    def pixels(self) -> int:
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def read_exr_channel(path: Path, names: Sequence[str] = DEPTH_CHANNELS) -> ExrChannel:
    """Read the first channel that one of ``names`` fits.

    Args:
        path: a scan-line or tiled OpenEXR file of one part or more.
        names: names with ``*``, of ``layer.channel``, tried in this order without regard to case; where no full name
            fits, they are tried on the channel's name within its part, the parts of a vector excepted.

    Returns:
        half, float and 32-bit integer channels alike as float32.

    Raises:
        BadInputError: the file is missing or damaged, has no such channel, or holds deep or subsampled data.
    """
    data = read_bytes(path)
    try:
        with OpenEXR.File(io.BytesIO(data), header_only=True) as file:
            headers = [dict(part.header) for part in file.parts]
        windows = [(_Window.of(header, "dataWindow"), _Window.of(header, "displayWindow")) for header in headers]
        candidates = list(_candidates(headers))
    except _BINDING_ERRORS as error:
        raise _damaged(path) from error
    if any(window.pixels > MAX_PIXELS for pair in windows for window in pair):
        raise BadInputError(
            f"The header of {path} asks for more than {MAX_PIXELS} pixels.", "Check the file, it may be damaged."
        )
    chosen = _choose(candidates, names)
    if chosen is None:
        found = ", ".join(candidate.full_name for candidate in candidates[:12])
        raise BadInputError(
            f"{path} has none of the channels {', '.join(names)}; it has {found or 'no channels'}.",
            "Export depth as a channel named Z.",
        )
    _check_flat(path, headers[chosen.part], chosen)
    try:
        with OpenEXR.File(io.BytesIO(data), separate_channels=True) as file:
            # The binding prints a warning and drops a part it could not decode.
            parts = file.parts if len(file.parts) == len(headers) else []
            pixels = np.array(parts[chosen.part].channels[chosen.channel].pixels, dtype=np.float32)
    except _BINDING_ERRORS as error:
        raise _damaged(path) from error
    data_window, display_window = windows[chosen.part]
    return ExrChannel(chosen.full_name, _placed(pixels, data_window, display_window))


def write_exr_channel(path: Path, name: str, values: NDArray[np.float32]) -> None:
    """Write a one-channel OpenEXR file, ZIP compressed scan lines: complete under its name, or not at all.

    Args:
        path: the file; its folder must exist.
        name: name of the channel, ``Z`` for depth.
        values: (H, W) float32; NaN and infinity are kept.

    Raises:
        ValueError: another shape or dtype.
        TransientError: the disk is full or the file cannot be written.
    """
    if values.dtype != np.float32 or values.ndim != 2 or values.size == 0:
        raise ValueError(f"values are {values.dtype} {values.shape}, not float32 (H, W)")
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    encoded = io.BytesIO()
    # The binding takes strides for sizes in arrays that are not contiguous.
    with OpenEXR.File(header, {name: np.ascontiguousarray(values)}) as file:
        file.write(encoded)
    with atomic_path(path) as temporary:
        # Not getbuffer: where writing fails, Python 3.12.1 crashes when the view is collected.
        temporary.write_bytes(encoded.getvalue())


def _candidates(headers: Sequence[dict[str, object]]) -> Iterator[_Candidate]:
    for index, header in enumerate(headers):
        channels = [channel.name for channel in header["channels"]]  # type: ignore[attr-defined]
        layer = str(header.get("name", "")) if len(headers) > 1 else ""
        siblings = frozenset(channel.lower() for channel in channels)
        for channel in channels:
            repeated = not layer or channel.lower().startswith(layer.lower() + ".")
            yield _Candidate(index, channel, channel if repeated else f"{layer}.{channel}", siblings)


def _choose(candidates: Sequence[_Candidate], names: Sequence[str]) -> _Candidate | None:
    full = (candidate for name in names for candidate in candidates if candidate.matches(name))
    in_part = (candidate for name in names for candidate in candidates if candidate.matches_in_its_part(name))
    return next(full, None) or next(in_part, None)


def _check_flat(path: Path, header: dict[str, object], chosen: _Candidate) -> None:
    if header.get("type") in (OpenEXR.deepscanline, OpenEXR.deeptile):
        raise BadInputError(f"{path} holds deep data.", "Flatten it to one value a pixel.")
    for channel in header["channels"]:  # type: ignore[attr-defined]
        if channel.name == chosen.channel and (channel.xSampling, channel.ySampling) != (1, 1):
            raise BadInputError(
                f"Channel {chosen.full_name} of {path} is subsampled.", "Export it with one value for every pixel."
            )


def _placed(pixels: NDArray[np.float32], data: _Window, display: _Window) -> NDArray[np.float32]:
    if data == display:
        return pixels
    placed = np.full((display.y1 - display.y0, display.x1 - display.x0), np.nan, dtype=np.float32)
    x0, x1 = max(data.x0, display.x0), min(data.x1, display.x1)
    y0, y1 = max(data.y0, display.y0), min(data.y1, display.y1)
    if x0 < x1 and y0 < y1:
        placed[y0 - display.y0 : y1 - display.y0, x0 - display.x0 : x1 - display.x0] = pixels[
            y0 - data.y0 : y1 - data.y0, x0 - data.x0 : x1 - data.x0
        ]
    return placed


def _damaged(path: Path) -> BadInputError:
    return BadInputError(f"{path} is damaged or not an OpenEXR file.", "Render or export the file again.")
