# SPDX-License-Identifier: Apache-2.0
"""The picture of an OpenEXR file: which of its layers, where it lies in the frame, and what the file says of it.

Layers and parts are named as in the OpenEXR document "Technical Introduction"; data and display windows as in "Reading
and Writing OpenEXR Image Files". Values are kept to the bit.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import LINEAR_FLOAT, LINEAR_HALF
from ex4d.media.exr import BINDING_ERRORS, MAX_BYTES, MAX_PIXELS, unprinted
from ex4d.media.exr_writer import MOST_FRAMES
from ex4d.media.lens_tags import exr_lens
from ex4d.media.picture_facts import PictureFacts, PixelWindow
from ex4d.protocol.errors import BadInputError
from ex4d.system.memory import memory_error

#: Names of layers in a sentence.
_LISTED = 8
#: Rates and pixel aspects of files are floats or odd fractions; these are meant.
_SIMPLE = 10_000
# More do not make one frame faster.
_MOST_THREADS = 8


@dataclass(frozen=True)
class _Layer:
    """A picture in a file.

    Attributes:
        part: index.
        part_name: in a file of several parts, else "".
        view: of stereo pictures, else "".
        name: as ``--layer`` has it; "" for the channels of no layer in a file of one part.
        is_plain: its channels have no layer's name within the part.
        channels: names of R, G, B and A, or of Y and A, in the part.
    """

    part: int
    part_name: str
    view: str
    name: str
    is_plain: bool
    channels: Mapping[str, str]

    @property
    def is_main(self) -> bool:
        """Whether its name is one of those that the picture itself has, by the habit of renderers and compositors."""
        return self.name.lower().rpartition(".")[2] in ("", "rgba", "rgb", "beauty", "combined", "main")


@dataclass(frozen=True)
class ExrPicture:
    """A picture and what its file says.

    Attributes:
        pixels: (H, W, 3) or (H, W, 4) float16 or float32 of the data and the display window together, of which
            ``facts.frame`` is the latter; colours are multiplied by alpha; what the file lacks is transparent black.
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
        layer: name of a layer, part or view, without regard to case, or the end of a layer's name; None or "" = the
            picture of no layer, or the only one; of stereo pictures the left one.

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
    chosen, notes = _chosen(path, layers, layer)
    unpacked = _check_size(path, headers, boxes, chosen)
    header = headers[chosen.part]
    _check_kind(path, header, chosen)
    try:
        _use_threads()
        with unprinted(), OpenEXR.File(io.BytesIO(data), separate_channels=True) as file:
            # The binding drops a part it could not decode.
            parts = file.parts if len(file.parts) == len(headers) else []
            found = {name: np.array(parts[chosen.part].channels[full].pixels) for name, full in chosen.channels.items()}
    except BINDING_ERRORS as error:
        raise memory_error(error, needs=unpacked) or _damaged(path) from error
    pixels, frame, more = _united(_stacked(path, found), *boxes[chosen.part])
    facts, unusable = _facts(header, pixels, frame)
    return ExrPicture(pixels, facts, (*notes, *more, *unusable))


@cache
def _use_threads() -> None:
    """OpenEXR has one by itself."""
    OpenEXR.set_global_thread_count(min(os.cpu_count() or 1, _MOST_THREADS))


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
            repeated = not part or f"{group}.".lower().startswith(f"{part}.".lower())
            name = group if repeated else ".".join(filter(None, (part, group)))
            is_plain = group.lower() in ("", part.lower())
            yield _Layer(index, part, str(header.get("view", "")), name, is_plain, channels)


def _chosen(path: Path, layers: Sequence[_Layer], wanted: str | None) -> tuple[_Layer, tuple[str, ...]]:
    if not layers:
        raise BadInputError(
            f"{path} holds no picture: no channels R, G, B or Y.", "Render the file with a colour pass."
        )
    if wanted:
        return _named(path, layers, wanted), ()
    views = list(dict.fromkeys(layer.view for layer in layers))
    view = next((view for view in views if view.lower() == "left"), views[0])
    seen = [layer for layer in layers if layer.view == view]
    colored = [layer for layer in seen if "R" in layer.channels] or seen
    plain = [layer for layer in colored if layer.is_plain]
    main = [layer for layer in plain or colored if layer.is_main]
    found = next((group for group in (plain, main, colored) if len(group) == 1), None)
    if found is None:
        raise BadInputError(
            f"{path} has several layers that could be meant: {_listed(plain or colored)}.",
            "Name one of them with --layer.",
        )
    chosen = found[0]
    notes = []
    others = [layer for layer in layers if layer is not chosen]
    if len(views) > 1:
        notes.append(f"The files hold the views {', '.join(views)}: {view} is used, --layer takes another.")
    elif chosen.name and not others:
        notes.append(f"The layer «{chosen.name}» is the only picture in the files, and used.")
    elif others:
        used = f" «{chosen.name}» is used," if chosen.name else ""
        notes.append(f"The files hold other layers too ({_listed(others)}):{used} --layer takes one of them.")
    return chosen, tuple(notes)


def _named(path: Path, layers: Sequence[_Layer], wanted: str) -> _Layer:
    """By the name of a layer, else of a part, of a view, or the end of a layer's name."""
    lower = wanted.lower()
    rules = (
        [layer for layer in layers if layer.name == wanted],
        [layer for layer in layers if layer.name.lower() == lower],
        [layer for layer in layers if layer.part_name.lower() == lower and layer.is_plain],
        [layer for layer in layers if layer.part_name.lower() == lower],
        [layer for layer in layers if layer.view.lower() == lower and layer.is_plain],
        [layer for layer in layers if layer.name.lower().endswith(f".{lower}")],
    )
    found = next((group for group in rules if group), [])
    if not found:
        if not any(layer.name for layer in layers):
            raise BadInputError(f"{path} has no layer «{wanted}»; it has none.", "Leave --layer out.")
        raise BadInputError(
            f"{path} has no layer «{wanted}»; its layers are {_listed(layers)}.",
            "Name one of these with --layer, or leave it out.",
        )
    if len(found) > 1:
        raise BadInputError(f"{path} has several layers «{wanted}»: {_listed(found)}.", "Write the whole name.")
    return found[0]


def _listed(layers: Sequence[_Layer]) -> str:
    names = list(dict.fromkeys(layer.name or "the one without a name" for layer in layers))
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _box(header: Mapping[str, Any], name: str) -> tuple[int, int, int, int]:
    """First column and row, and those after the last."""
    (x0, y0), (x1, y1) = np.asarray(header[name]).tolist()
    return x0, y0, x1 + 1, y1 + 1


def _check_size(
    path: Path, headers: Sequence[Mapping[str, Any]], boxes: Sequence[tuple[Any, Any]], chosen: _Layer
) -> int:
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
    (dx0, dy0, dx1, dy1), (x0, y0, x1, y1) = boxes[chosen.part]
    if (max(dx1, x1) - min(dx0, x0)) * (max(dy1, y1) - min(dy0, y0)) > MAX_PIXELS:
        raise BadInputError(
            f"{path} has pixels far away from its frame.", "Crop it to the frame, or export the file again."
        )
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


def _stacked(path: Path, found: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if any(channel.dtype.kind != "f" for channel in found.values()):
        raise BadInputError(f"{path} holds whole numbers where a picture is needed.", "Write half or float pixels.")
    dtype = np.result_type(*found.values())
    color = [found["Y"]] * 3 if "Y" in found else [found[letter] for letter in "RGB"]
    planes = [*color, *([found["A"]] if "A" in found else [])]
    return np.ascontiguousarray(np.stack(planes, axis=-1).astype(dtype, copy=False))


def _united(
    pixels: NDArray[Any], data: tuple[int, int, int, int], display: tuple[int, int, int, int]
) -> tuple[NDArray[Any], PixelWindow | None, tuple[str, ...]]:
    """The pixels of both windows, where in them the display window is (None = they are it), and notes."""
    if data == display:
        return pixels, None, ()
    left, top = min(data[0], display[0]), min(data[1], display[1])
    right, bottom = max(data[2], display[2]), max(data[3], display[3])
    frame = PixelWindow(display[0] - left, display[1] - top, display[2] - display[0], display[3] - display[1])
    inner = None if (left, top, right, bottom) == display else frame
    if (left, top, right, bottom) == data:
        return pixels, inner, ()
    out = np.zeros((bottom - top, right - left, 4), pixels.dtype)
    target = out[data[1] - top : data[3] - top, data[0] - left : data[2] - left]
    target[..., 3] = 1
    target[..., : pixels.shape[2]] = pixels
    return out, inner, ("The files do not cover the whole frame: what they lack is transparent black.",)


def _facts(
    header: Mapping[str, Any], pixels: NDArray[Any], frame: PixelWindow | None
) -> tuple[PictureFacts, tuple[str, ...]]:
    """What the header says, and notes on what of it is left out."""
    chromaticities = header.get("chromaticities")
    tags = ColourTags(
        "EXR",
        interop_id=str(header.get("colorInteropID", "")),
        aces_container=header.get("acesImageContainerFlag", 0) == 1,
        chromaticities=tuple(map(float, chromaticities)) if chromaticities is not None else None,  # type: ignore[arg-type]
    )
    aspect = _positive(header.get("pixelAspectRatio", 1.0))
    rate = header.get("framesPerSecond")
    fps = None if rate is None else _positive(rate)
    notes = []
    if aspect is None:
        notes.append("The pixel aspect ratio of the files cannot be: square pixels are assumed.")
    if rate is not None and fps is None:
        notes.append("The frame rate of the files cannot be: it is left out.")
    if (luminance := header.get("whiteLuminance")) is not None:
        notes.append(f"The files' white is {float(luminance):g} cd/m² (whiteLuminance): values are used as they are.")
    facts = PictureFacts(
        LINEAR_HALF if pixels.dtype == np.float16 else LINEAR_FLOAT,
        tags,
        "associated" if pixels.shape[2] == 4 else "none",
        aspect or Fraction(1),
        _timecode(header.get("timeCode"), fps),
        fps,
        frame,
        exr_lens(header),
    )
    return facts, tuple(notes)


def _positive(value: Any) -> Fraction | None:
    """A number of the header, simple; None where it is none that can be."""
    try:
        found = value if isinstance(value, Fraction) else Fraction.from_float(float(value))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    simple = found if isinstance(value, Fraction) else found.limit_denominator(_SIMPLE)
    return simple if Fraction(1, 100) <= simple <= 1000 else None


def _timecode(value: Any, fps: Fraction | None) -> str | None:
    """Of ``ex4d.media.exr_writer.time_code``: above 30 frames a second it counts pairs."""
    if value is None:
        return None
    frame = value.frame
    if fps is not None and round(fps) > MOST_FRAMES:
        frame = 2 * frame + int(value.fieldPhase)
    text = f"{value.hours:02d}:{value.minutes:02d}:{value.seconds:02d}"
    return f"{text}{';' if value.dropFrame else ':'}{frame:02d}"


def _damaged(path: Path) -> BadInputError:
    return BadInputError(f"{path} is damaged or not an OpenEXR file.", "Render or export the file again.")
