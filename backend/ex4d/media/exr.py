# SPDX-License-Identifier: Apache-2.0
"""One float channel of an OpenEXR file, such as depth.

Layers and parts are named as the OpenEXR documents "Technical Introduction" and "Multi-Part Images" have it: layer and
channel are joined by dots, and a part's name is a layer its channels need not repeat.

Which channel is depth is known, or it is not: the first of several that would do, in the order of the alphabet, is as
likely a denoiser's guide or the red of a picture.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.media.exr_writer import ExrPart, write_exr_parts
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import read_bytes
from ex4d.system.memory import memory_error

#: 16384 x 16384. A damaged header can ask for any size, and OpenEXR would try to allocate it.
MAX_PIXELS = 1 << 28

#: The binding unpacks all channels of all parts, and a file of two megabytes can have any number of them. This is 60
#: channels of 4096 x 2160; those of 16 bits count like others.
MAX_BYTES = 1 << 31

# What the binding raises on files that are damaged in one way or another.
BINDING_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, OverflowError, MemoryError)

# A Z among X and Y is a direction or a position, a V beside a U a texture coordinate, a Y beside RY and BY a picture.
_OTHER_MEANING: dict[str, set[str]] = {"z": {"x", "y"}, "v": {"u"}, "y": {"x", "z", "ry", "by"}}
_DEPTH_NAMES = ("depth", "zdepth")
# What a layer named depth has its values in: renderers write Z, Blender 5 writes V, video depth tools Y or R.
_IN_DEPTH_LAYER = ("z", "v", "y", "r", "depth")
# Passes of renderers that are no depth of the scene, though they have one channel Z or V.
_NO_DEPTH = ("denois", "mist", "fog", "position", "normal", "vector", "uv", "motion", "crypto", "index")
# Channels that a message spells out.
_LISTED = 12
_DEPTH_HINT = "Export depth as a channel named Z, or alone in a file of its own."


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
    """A channel of a file.

    Attributes:
        part: index of the part.
        channel: its name in the part.
        full_name: with the part's name before it.
        siblings: the channels of the same layer, without the layer, in lower case.
    """

    part: int
    channel: str
    full_name: str
    siblings: frozenset[str]

    @property
    def layers(self) -> list[str]:
        """Part and layers, from the outermost, in lower case."""
        return self.full_name.lower().split(".")[:-1]

    @property
    def base(self) -> str:
        """The name without part and layers, in lower case."""
        return self.full_name.lower().rpartition(".")[2]

    @property
    def is_other(self) -> bool:
        """Whether its layer or the channels beside it tell that it is no depth."""
        beside = _OTHER_MEANING.get(self.base, set()) & self.siblings
        return bool(beside) or any(word in layer for layer in self.layers for word in _NO_DEPTH)

    @property
    def is_depth_by_layer(self) -> bool:
        return bool(self.layers) and self.layers[-1] in _DEPTH_NAMES and self.base in _IN_DEPTH_LAYER

    @property
    def is_in_picture(self) -> bool:
        """Whether it is the R of R, G and B."""
        return self.base == "r" and {"g", "b"} <= self.siblings


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


def read_exr_channel(path: Path, names: Sequence[str] = ()) -> ExrChannel:
    """Read one channel: depth, or the first that one of ``names`` fits.

    Depth is, in this order and without regard to case: the channel Z of no layer; one in a layer or part named Depth,
    or named Depth itself; a Z, or else a V, of another layer or part, unless the layer's name or the channels beside
    it tell another meaning (a vector, a denoiser's guide, mist); and where there is nothing else in the file, Y, R, V,
    or equal R, G and B.

    Args:
        path: a scan-line or tiled OpenEXR file of one part or more.
        names: names with ``*``, of ``layer.channel``, tried in this order without regard to case; depth if empty.

    Returns:
        half, float and 32-bit integer channels alike as float32.

    Raises:
        BadInputError: the file is missing, damaged or too large, has no such channel or several that would do, or holds
            deep or subsampled data.
        ResourceError: there is too little memory.
    """
    data = read_bytes(path)
    headers, windows, candidates = _layout(data, path)
    unpacked = _unpacked_size(path, headers, windows)
    chosen = _named(path, candidates, names) if names else _depth(path, candidates)
    _check_flat(path, headers[chosen.part], chosen)
    try:
        with unprinted(), OpenEXR.File(io.BytesIO(data), separate_channels=True) as file:
            # The binding drops a part it could not decode.
            parts = file.parts if len(file.parts) == len(headers) else []
            channels = parts[chosen.part].channels
            pixels = np.array(channels[chosen.channel].pixels, dtype=np.float32)
            grey = not (chosen.is_in_picture and not names) or _is_grey(channels, chosen)
    except BINDING_ERRORS as error:
        raise memory_error(error, needs=unpacked) or _damaged(path) from error
    if not grey:
        raise BadInputError(f"{path} holds a colour picture, {chosen.full_name} is its red, and no depth.", _DEPTH_HINT)
    data_window, display_window = windows[chosen.part]
    return ExrChannel(chosen.full_name, _placed(pixels, data_window, display_window))


def depth_reader_version(path: Path) -> int:
    """0 where all versions of this reader took the same channel for depth, else 1: for the keys of what is made of it.

    Raises:
        BadInputError: as `read_exr_channel`.
    """
    _, _, candidates = _layout(read_bytes(path), path)
    chosen = _depth(path, candidates)
    if chosen.is_in_picture:
        read_exr_channel(path)  # a picture was once taken too
    return int(chosen != _former_choice(candidates))


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
    write_exr_parts(path, [ExrPart("", {name: values}, {})])


def _candidates(headers: Sequence[dict[str, object]]) -> Iterator[_Candidate]:
    for index, header in enumerate(headers):
        channels = [channel.name for channel in header["channels"]]  # type: ignore[attr-defined]
        part = str(header.get("name", "")) if len(headers) > 1 else ""
        layers: dict[str, set[str]] = {}
        for channel in channels:
            layer, _, base = channel.lower().rpartition(".")
            layers.setdefault(layer, set()).add(base)
        for channel in channels:
            repeated = not part or channel.lower().startswith(part.lower() + ".")
            siblings = frozenset(layers[channel.lower().rpartition(".")[0]])
            yield _Candidate(index, channel, channel if repeated else f"{part}.{channel}", siblings)


class _Unprinted:
    """Standard output goes nowhere while threads are inside; they do not wait for each other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._redirection = redirect_stdout(io.StringIO())

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._redirection = redirect_stdout(io.StringIO())
                self._redirection.__enter__()
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._redirection.__exit__(None, None, None)


_UNPRINTED = _Unprinted()


def unprinted() -> AbstractContextManager[None]:
    """The binding prints warnings to standard output, where with --json only events may be. What writes those has its
    own hold of the stream."""
    return _UNPRINTED


def _layout(data: bytes, path: Path) -> tuple[list[dict[str, object]], list[tuple[_Window, _Window]], list[_Candidate]]:
    """Header of each part, its data and display windows, and all channels."""
    try:
        with OpenEXR.File(io.BytesIO(data), header_only=True) as file:
            headers = [dict(part.header) for part in file.parts]
        windows = [(_Window.of(header, "dataWindow"), _Window.of(header, "displayWindow")) for header in headers]
        return headers, windows, list(_candidates(headers))
    except BINDING_ERRORS as error:
        raise memory_error(error) or _damaged(path) from error


def _former_choice(candidates: Sequence[_Candidate]) -> _Candidate | None:
    """What was once taken for depth: the first, in the order of the alphabet, that one of these fits."""
    names = ("z", "*depth.z", "*depth.v", "*depth.y", "*depth.r", "*depth", "y", "r", "v")
    full = (found for name in names for found in candidates if fnmatchcase(found.full_name.lower(), name))
    return next(full, None) or next((found for name in names for found in candidates if found.base == name), None)


def _named(path: Path, candidates: Sequence[_Candidate], names: Sequence[str]) -> _Candidate:
    for name in names:
        found = [candidate for candidate in candidates if fnmatchcase(candidate.full_name.lower(), name.lower())]
        if found:
            return _only(path, found)
    raise _none(path, candidates, f"none of the channels {', '.join(names)}")


def _depth(path: Path, candidates: Sequence[_Candidate]) -> _Candidate:
    known = [candidate for candidate in candidates if not candidate.is_other]
    rules = (
        [candidate for candidate in known if candidate.base == "z" and not candidate.layers],
        _preferred([candidate for candidate in known if candidate.is_depth_by_layer]),
        [candidate for candidate in known if candidate.base in _DEPTH_NAMES],
        [candidate for candidate in known if candidate.base == "z"],
        [candidate for candidate in known if candidate.base == "v"],
        _alone(known) if len(known) == len(candidates) else [],
    )
    for found in rules:
        if found:
            return _only(path, found)
    raise _none(path, candidates, "no channel of depth, such as Z, Depth.Z or Depth.V")


def _preferred(found: Sequence[_Candidate]) -> list[_Candidate]:
    """Of each layer the channel that it would name depth by."""
    by_layer: dict[tuple[int, str], list[_Candidate]] = {}
    for candidate in found:
        by_layer.setdefault((candidate.part, ".".join(candidate.layers)), []).append(candidate)
    return [min(layer, key=lambda candidate: _IN_DEPTH_LAYER.index(candidate.base)) for layer in by_layer.values()]


def _alone(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The one channel of a file, alpha apart, or the R of its one picture."""
    bases = sorted(candidate.base for candidate in candidates if candidate.base != "a")
    if bases in (["y"], ["r"], ["v"], ["b", "g", "r"]):
        return [candidate for candidate in candidates if candidate.base in ("y", "r", "v")]
    return []


def _only(path: Path, found: Sequence[_Candidate]) -> _Candidate:
    if len(found) > 1:
        names = ", ".join(candidate.full_name for candidate in found[:_LISTED])
        raise BadInputError(f"{path} has {len(found)} channels that could be meant: {names}.", _DEPTH_HINT)
    return found[0]


def _none(path: Path, candidates: Sequence[_Candidate], wanted: str) -> BadInputError:
    found = ", ".join(candidate.full_name for candidate in candidates[:_LISTED])
    return BadInputError(f"{path} has {wanted}; it has {found or 'no channels'}.", _DEPTH_HINT)


def _is_grey(channels: Mapping[str, Any], red: _Candidate) -> bool:
    """Whether G and B beside that R have the same values."""
    layer = red.channel[: len(red.channel) - 1]
    by_name = {name.lower(): channel.pixels for name, channel in channels.items()}
    values = [by_name[f"{layer}{letter}".lower()] for letter in "rgb"]
    return all(np.array_equal(values[0], other, equal_nan=True) for other in values[1:])


def _unpacked_size(path: Path, headers: Sequence[dict[str, object]], windows: Sequence[tuple[_Window, _Window]]) -> int:
    """Bytes that the binding unpacks the file to; refuses what is too much."""
    if any(window.pixels > MAX_PIXELS for pair in windows for window in pair):
        raise BadInputError(
            f"The header of {path} asks for more than {MAX_PIXELS} pixels.", "Check the file, it may be damaged."
        )
    channels = [len(list(header["channels"])) for header in headers]  # type: ignore[call-overload]
    pixels = [max(data.pixels, 0) for data, _ in windows]
    unpacked = sum(4 * count * size for count, size in zip(channels, pixels, strict=True))
    if unpacked > MAX_BYTES:
        raise BadInputError(
            f"{path} unpacks to {unpacked / 1e9:.1f} GB; {MAX_BYTES / 1e9:.1f} GB are the most.",
            "Export depth alone in a file of its own.",
        )
    return unpacked


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
