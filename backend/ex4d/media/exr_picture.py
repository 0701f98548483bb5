# SPDX-License-Identifier: Apache-2.0
"""The picture of an OpenEXR file: which of its layers, where it lies in the frame, and what the file says of it.

Layers and parts are named as in the OpenEXR document "Technical Introduction"; data and display windows as in "Reading
and Writing OpenEXR Image Files". Values are kept to the bit.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import LINEAR_FLOAT, LINEAR_HALF
from ex4d.media.exr import BINDING_ERRORS, MAX_BYTES, MAX_PIXELS, unprinted
from ex4d.media.picture_facts import PictureFacts
from ex4d.protocol.errors import BadInputError
from ex4d.system.memory import memory_error

#: Names of layers in a sentence.
_LISTED = 8
#: Rates and pixel aspects of files are floats or odd fractions; these are meant.
_SIMPLE = 10_000


@dataclass(frozen=True)
class _Layer:
    """A picture in a file.

    Attributes:
        part: index.
        name: as ``--layer`` has it; "" for the channels of no layer.
        channels: names of R, G, B and A, or of Y and A, in the part.
    """

    part: int
    name: str
    channels: Mapping[str, str]


@dataclass(frozen=True)
class ExrPicture:
    """A picture and what its file says.

    Attributes:
        pixels: (H, W, 3) or (H, W, 4) float16 or float32 of the display window; colours are multiplied by alpha.
        facts: of the file.
        notes: sentences for the report.
    """

    pixels: NDArray[Any]
    facts: PictureFacts
    notes: tuple[str, ...]


def read_exr_picture(data: bytes, path: Path, layer: str | None = None) -> ExrPicture:
    """Read the picture of a scan-line or tiled OpenEXR file of one part or more.

    Args:
        data: the file's content.
        path: for sentences.
        layer: name of a layer or part, without regard to case; None = the picture of no layer, or the only one.

    Raises:
        BadInputError: the file is damaged or too large, has no such layer or several that could be meant, or holds
            deep, subsampled or whole-number pixels.
        ResourceError: there is too little memory.
    """
    try:
        with unprinted(), OpenEXR.File(io.BytesIO(data), header_only=True) as file:
            headers = [dict(part.header) for part in file.parts]
        layers = list(_layers(headers))
        boxes = [(_box(header, "dataWindow"), _box(header, "displayWindow")) for header in headers]
    except BINDING_ERRORS as error:
        raise memory_error(error) or _damaged(path) from error
    unpacked = _check_size(path, headers, boxes)
    chosen, notes = _chosen(path, layers, layer)
    header = headers[chosen.part]
    _check_kind(path, header, chosen)
    try:
        with unprinted(), OpenEXR.File(io.BytesIO(data), separate_channels=True) as file:
            # The binding drops a part it could not decode.
            parts = file.parts if len(file.parts) == len(headers) else []
            found = {name: np.array(parts[chosen.part].channels[full].pixels) for name, full in chosen.channels.items()}
    except BINDING_ERRORS as error:
        raise memory_error(error, needs=unpacked) or _damaged(path) from error
    pixels = _stacked(found)
    pixels, more = _in_frame(pixels, *boxes[chosen.part])
    facts = _facts(header, pixels)
    return ExrPicture(pixels, facts, (*notes, *more))


def _layers(headers: Sequence[Mapping[str, Any]]) -> Iterator[_Layer]:
    for index, header in enumerate(headers):
        part = str(header.get("name", "")) if len(headers) > 1 else ""
        groups: dict[str, dict[str, str]] = {}
        for channel in header["channels"]:
            group, _, base = channel.name.rpartition(".")
            groups.setdefault(group, {})[base.upper()] = channel.name
        for group, names in groups.items():
            letters = "RGB" if {"R", "G", "B"} <= set(names) else "Y" if "Y" in names else ""
            if not letters or {"RY", "BY"} & set(names):
                continue
            channels = {letter: names[letter] for letter in (*letters, "A") if letter in names}
            own = group if not part or group.lower().startswith(part.lower()) else ".".join(filter(None, (part, group)))
            yield _Layer(index, own, channels)


def _chosen(path: Path, layers: Sequence[_Layer], wanted: str | None) -> tuple[_Layer, tuple[str, ...]]:
    names = list(dict.fromkeys(layer.name for layer in layers if layer.name))
    listed = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
    if not layers:
        raise BadInputError(
            f"{path} holds no picture: no channels R, G, B or Y.", "Render the file with a colour pass."
        )
    if wanted:
        found = [layer for layer in layers if layer.name.lower() == wanted.lower()]
        if not found:
            has = f"its layers are {listed}" if names else "it has none"
            raise BadInputError(
                f"{path} has no layer «{wanted}»; {has}.", "Name one of these with --layer, or leave it out."
            )
        return found[0], ()
    main = [layer for layer in layers if not layer.name or _is_main_part(layer, layers)]
    if main:
        others = [name for name in names if name != main[0].name]
        rest = ", ".join(others[:_LISTED]) + (" …" if len(others) > _LISTED else "")
        return main[0], (f"The files hold other layers too ({rest}); --layer takes one of them.",) if others else ()
    if len(layers) == 1:
        return layers[0], (f"The layer «{layers[0].name}» is the only picture in the files, and used.",)
    raise BadInputError(f"{path} has several layers that could be meant: {listed}.", "Name one of them with --layer.")


def _is_main_part(layer: _Layer, layers: Sequence[_Layer]) -> bool:
    """Whether it is the picture of no layer in a file of several parts: the first one, by the habit of compositors."""
    return layer.part == min(each.part for each in layers) and layer.name.lower() in ("rgba", "rgb", "beauty", "main")


def _box(header: Mapping[str, Any], name: str) -> tuple[int, int, int, int]:
    """First column and row, and those after the last."""
    (x0, y0), (x1, y1) = np.asarray(header[name]).tolist()
    return x0, y0, x1 + 1, y1 + 1


def _check_size(path: Path, headers: Sequence[Mapping[str, Any]], boxes: Sequence[tuple[Any, Any]]) -> int:
    """Bytes that the binding unpacks; raises BadInputError where it should not try."""
    total = 0
    for header, windows in zip(headers, boxes, strict=True):
        for x0, y0, x1, y1 in windows:
            if x1 <= x0 or y1 <= y0 or (x1 - x0) * (y1 - y0) > MAX_PIXELS:
                raise BadInputError(
                    f"{path} is too large, or its header is damaged.", "Render or export the file again."
                )
        x0, y0, x1, y1 = windows[0]
        total += 4 * (x1 - x0) * (y1 - y0) * len(header["channels"])
    if total > MAX_BYTES:
        raise BadInputError(f"{path} unpacks to more than 2 GiB.", "Write the picture into files of its own.")
    return total


def _check_kind(path: Path, header: Mapping[str, Any], chosen: _Layer) -> None:
    if "deep" in str(header.get("type", "")).lower():
        raise BadInputError(f"{path} holds deep pixels, which are not read.", "Flatten the picture and write it again.")
    for channel in header["channels"]:
        if channel.name not in chosen.channels.values():
            continue
        if channel.xSampling != 1 or channel.ySampling != 1:
            raise BadInputError(f"{path} holds subsampled channels, which are not read.", "Write it as RGB.")


def _stacked(found: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if any(channel.dtype.kind != "f" for channel in found.values()):
        raise BadInputError(
            "The EXR files hold whole numbers where a picture is needed.", "Write half or float pixels."
        )
    dtype = np.result_type(*found.values())
    color = [found["Y"]] * 3 if "Y" in found else [found[letter] for letter in "RGB"]
    planes = [*color, *([found["A"]] if "A" in found else [])]
    return np.ascontiguousarray(np.stack(planes, axis=-1).astype(dtype, copy=False))


def _in_frame(
    pixels: NDArray[Any], data: tuple[int, int, int, int], display: tuple[int, int, int, int]
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The pixels of the display window; what the file lacks of it is transparent black."""
    if data == display:
        return pixels, ()
    x0, y0 = max(data[0], display[0]), max(data[1], display[1])
    x1, y1 = min(data[2], display[2]), min(data[3], display[3])
    inside = x1 > x0 and y1 > y0
    notes: tuple[str, ...] = ()
    if data[0] < x0 or data[1] < y0 or data[2] > x1 or data[3] > y1:
        notes = ("The files have overscan beyond the frame, which is left out.",)
    whole = inside and (x0, y0, x1, y1) == display
    channels = pixels.shape[2] if whole else 4
    out = np.zeros((display[3] - display[1], display[2] - display[0], channels), pixels.dtype)
    if inside:
        part = pixels[y0 - data[1] : y1 - data[1], x0 - data[0] : x1 - data[0]]
        target = out[y0 - display[1] : y1 - display[1], x0 - display[0] : x1 - display[0]]
        target[..., : part.shape[2]] = part
        if part.shape[2] < channels:
            target[..., 3] = 1
    if not whole:
        notes += ("The files do not cover the whole frame: what they lack is transparent.",)
    return out, notes


def _facts(header: Mapping[str, Any], pixels: NDArray[Any]) -> PictureFacts:
    chromaticities = header.get("chromaticities")
    tags = ColourTags(
        "EXR",
        interop_id=str(header.get("colorInteropID", "")),
        aces_container=bool(header.get("acesImageContainerFlag", 0)),
        chromaticities=tuple(map(float, chromaticities)) if chromaticities is not None else None,  # type: ignore[arg-type]
    )
    return PictureFacts(
        LINEAR_HALF if pixels.dtype == np.float16 else LINEAR_FLOAT,
        tags,
        "associated" if pixels.shape[2] == 4 else "none",
        _positive(header.get("pixelAspectRatio"), Fraction(1)) or Fraction(1),
        _timecode(header.get("timeCode")),
        _positive(header.get("framesPerSecond"), None),
    )


def _positive(value: Any, default: Fraction | None) -> Fraction | None:
    """A number of the header, simple; the default where it is none that can be."""
    try:
        found = value if isinstance(value, Fraction) else Fraction.from_float(float(value))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return default
    simple = found if isinstance(value, Fraction) else found.limit_denominator(_SIMPLE)
    return simple if Fraction(1, 100) <= simple <= 1000 else default


def _timecode(value: Any) -> str | None:
    if value is None:
        return None
    text = f"{value.hours:02d}:{value.minutes:02d}:{value.seconds:02d}"
    return f"{text}{';' if value.dropFrame else ':'}{value.frame:02d}"


def _damaged(path: Path) -> BadInputError:
    return BadInputError(f"{path} is damaged or not an OpenEXR file.", "Render or export the file again.")
