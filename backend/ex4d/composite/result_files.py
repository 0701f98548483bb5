# SPDX-License-Identifier: Apache-2.0
"""The pictures of a take on disk: results, masks, what was measured, and what compositors want besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.colour.tags import png_chunks
from ex4d.composite.aov import TakeAovs
from ex4d.composite.headers import TakeHeaders
from ex4d.composite.pixels import ResultPicture, ResultPictures
from ex4d.media.encoding import TruthEncoding
from ex4d.media.exr_values import read_exr_values
from ex4d.media.exr_writer import write_exr
from ex4d.media.images import read_image, write_png
from ex4d.protocol.requests import OutputRequest
from ex4d.protocol.values import padded_number
from ex4d.raster.store import stacked

RESULT, MASK, CONFIDENCE, AOV = "result", "mask", "confidence", "aov"
#: Codes of a plate's curve as they are delivered, black 0 and white 65535, whatever they are inside.
DELIVERED_CODES = TruthEncoding("codes", "uint16", 0, 65535)


def sequence_file(folder: Path, number: int, suffix: str = ".png") -> Path:
    """Path of a delivered picture: ``result/result.1001.png``."""
    return folder / f"{folder.name}.{padded_number(number, 4)}{suffix}"


@dataclass(frozen=True)
class ResultFiles:
    """Writes the pictures of a take, on any thread.

    Attributes:
        pictures: of the result.
        headers: what OpenEXR files say of themselves.
        output: what was asked for.
        aovs: writes what compositors want besides; None = nothing was asked for.
    """

    pictures: ResultPictures
    headers: TakeHeaders
    output: OutputRequest
    aovs: TakeAovs | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders."""
        return tuple(self._suffixes)

    def names(self, numbers: Sequence[int]) -> Iterator[str]:
        """Names of the files of frames, below the take's folder."""
        for folder, suffix in self._suffixes.items():
            for number in numbers:
                yield sequence_file(Path(folder), number, suffix).as_posix()

    def write(self, out: Path, frame: ResultPicture, generated: float) -> None:
        """Write the files of a frame; the folders are there.

        Args:
            out: the take's folder.
            frame: of the result.
            generated: share of its pixels that are not measured, 0..1.
        """
        self._write_result(out, frame, generated)
        write_png(sequence_file(out / MASK, frame.number), frame.mask)
        write_png(sequence_file(out / CONFIDENCE, frame.number), frame.origin)
        if self.aovs is not None:
            path = sequence_file(out / AOV, frame.number, ".exr")
            self.aovs.write(path, frame, generated, self.output.compression)

    def read(self, out: Path, number: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Pixels (H, W, 3) and alpha (H, W), or None, of a result that was written, as ``ResultPicture`` has them."""
        path = sequence_file(out / RESULT, number, self._suffixes[RESULT])
        if self._is_float:
            pixels = read_exr_values(path.read_bytes())
        else:
            pixels = _recoded(read_image(path), DELIVERED_CODES, self.pictures.encoding)
        alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
        return np.ascontiguousarray(pixels[..., :3]), alpha

    def record(self) -> dict[str, Any]:
        """What the take's record says of them, where they are no plain display pictures."""
        record: dict[str, Any] = {}
        if not self.pictures.encoding.is_display:
            record["pictures"] = {
                "result": f"{RESULT}/{RESULT}.####{self._suffixes[RESULT]}",
                "type": self.pictures.encoding.pixel_type,
                "space": self.headers.frames.colour.linear_space
                if self._is_float
                else self.headers.frames.colour.space,
            }
        if self.aovs is not None:
            record["aov"] = f"{AOV}/{AOV}.####.exr"
        return record

    @property
    def _is_float(self) -> bool:
        return self.pictures.encoding.is_float

    @cached_property
    def _suffixes(self) -> dict[str, str]:
        """Of the files in each folder."""
        suffixes = {RESULT: ".exr" if self._is_float else ".png", MASK: ".png", CONFIDENCE: ".png"}
        return suffixes | ({AOV: ".exr"} if self.aovs is not None else {})

    def _write_result(self, out: Path, frame: ResultPicture, generated: float) -> None:
        path = sequence_file(out / RESULT, frame.number, self._suffixes[RESULT])
        if self._is_float:
            attributes = {**self.headers.colours, **self.headers.of_frame(frame.number, generated)}
            write_exr(path, frame.pixels, frame.alpha, attributes, self.output.compression)
            return
        pixels = _recoded(stacked(frame.pixels, frame.alpha), self.pictures.encoding, DELIVERED_CODES)
        write_png(path, pixels, self._chunks)

    @cached_property
    def _chunks(self) -> list[tuple[bytes, bytes]]:
        """Of PNG files: what they say of their colours, and of codes of a curve its name, which no chunk can say."""
        colour = self.headers.frames.colour
        # What says nothing of its colours is delivered so.
        chunks = png_chunks(colour) if colour.space else []
        if self.pictures.encoding.kind == "codes":
            chunks.append((b"tEXt", b"OpenColorIO colour space\0" + colour.space.encode("latin-1", "replace")))
        return chunks


def _recoded(pixels: NDArray[Any], encoding: TruthEncoding, other: TruthEncoding) -> NDArray[Any]:
    """Codes of a curve in another encoding, between those of a plate and those that are delivered; display pictures as
    they are. Alpha is in full range in both."""
    if "display" in (encoding.kind, other.kind) or encoding == other:
        return pixels
    found = np.array(pixels)
    found[..., :3] = other.values(encoding.unit(pixels[..., :3]))
    return found
