# SPDX-License-Identifier: Apache-2.0
"""The preview fill: no generative model, made to see at once whether a camera works.

What other frames show in the holes is taken as it is, and where the source camera stands still its clean plate
(``background``); the rest is filled smoothly from the far side of each hole (``background_side``, ``pull_push``), which
without depth is told from the colours that have gone missing since the first frame (``color_statistics``).
Deterministic, and each frame by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.fill.base import FillSink, PixelOrigin, TakeFrame, TakeView
from ex4d.fill.preview.background import Background, open_background
from ex4d.fill.preview.background_side import far_side_weights
from ex4d.fill.preview.color_statistics import MissingColors
from ex4d.fill.preview.info import INFO
from ex4d.fill.preview.pull_push import pull_push
from ex4d.raster import Texture
from ex4d.system.progress import Progress, steps

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Longer side of the pictures that are filled: the fill is soft, more pixels would not show.
WORKING_SIDE = 960
#: Known pixels this near a hole do not colour it: at the edge of a surface the plate's colours are mixed.
EDGE_PX = 2


@dataclass(frozen=True)
class _Working:
    """A frame at the working size: colour code values, known pixels, z or None."""

    color: Float
    known: Bool
    z: Float | None


def working_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) that the fill works at."""
    scale = min(1.0, WORKING_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _shrink(frame: TakeFrame, size: tuple[int, int]) -> _Working:
    known = frame.mask > 0
    if (frame.mask.shape[1], frame.mask.shape[0]) == size:
        return _Working(frame.color.astype(np.float32), known, frame.z)
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # The colours are 0 in the holes, so dividing by the share gives the mean of the known ones.
    mixed = cv2.resize(frame.color.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    color = np.asarray(mixed / np.maximum(share, np.float32(1e-6))[..., None], dtype=np.float32)
    z = None if frame.z is None else np.asarray(cv2.resize(frame.z, size, interpolation=cv2.INTER_NEAREST), np.float32)
    return _Working(color, share > 0.5, z)


@dataclass(frozen=True)
class PreviewFill:
    """See ``Generator``."""

    name = INFO.name
    label = INFO.label
    licence = INFO.licence
    generative = INFO.generative
    seed: int | None = None
    prompt: str | None = None

    def prepare(self, count: int | None) -> str:
        """See ``Generator.prepare``: nothing can fail."""
        return ""

    def read_ahead(self) -> AbstractContextManager[None]:
        """See ``Generator.read_ahead``: there is nothing to read."""
        return nullcontext()

    def inputs(self) -> dict[str, Any]:
        """See ``Generator.inputs``."""
        return {"version": 4}

    @property
    def progress_parts(self) -> Mapping[str, float]:
        """See ``Generator``."""
        return {}

    def generate(self, take: TakeView, sink: FillSink, progress: Progress) -> tuple[str, ...]:
        """See ``Generator``."""
        frames = take.frames()
        first = next(frames)
        with self.open(take, first) as fill:
            for index, frame in enumerate(steps(progress, chain([first], frames))):
                sink.write(frame.number, *fill.fill(index, frame))
            return fill.notes

    @contextmanager
    def open(self, take: TakeView, first: TakeFrame) -> Iterator[PreviewFrames]:
        """See ``FrameGenerator``."""
        background = open_background(take.scene) if take.scene else None
        try:
            size = working_size(take.width, take.height)
            work = _shrink(first, size)
            missing = MissingColors(work.color, work.known, first.encoding.white)
            yield PreviewFrames(take, size, background, missing)
        finally:
            if background:
                background.close()


@dataclass(frozen=True)
class PreviewFrames:
    """See ``FrameFill``.

    Attributes:
        take: what is filled.
        size: (width, height) that the fill works at.
        background: what other frames show; None where there is nothing.
        missing: which colours have gone missing since the first frame.
    """

    take: TakeView
    size: tuple[int, int]
    background: Background | None
    missing: MissingColors

    @property
    def notes(self) -> tuple[str, ...]:
        """See ``FrameFill``."""
        said = "Filled by the preview fill, which is no generative model."
        if self.take.scene is not None:
            return (said,)
        return said, "No depth was given, so colours alone tell what belongs in a hole; a shot fills better."

    def fill(self, index: int, frame: TakeFrame) -> tuple[Texture, NDArray[np.uint8]]:
        """See ``FrameFill``."""
        work = _shrink(frame.with_other_frames(), self.size)
        color, origin = self._fill(work, index)
        if frame.other is not None:
            own = _shrink(replace(frame, other=None), self.size).known
            origin[work.known & ~own] = PixelOrigin.OTHER_FRAME
        return frame.encoding.codes(color), origin

    def _fill(self, work: _Working, index: int) -> tuple[Float, NDArray[np.uint8]]:
        """Filled code values (h, w, 3) and ``PixelOrigin`` codes (h, w)."""
        color, known, z = work.color.copy(), work.known.copy(), work.z
        origin = np.where(known, np.uint8(PixelOrigin.MEASURED), np.uint8(PixelOrigin.INVENTED))
        if self.background and self.take.scene and not known.all():
            camera = self.take.scene.trajectory[index].resized(known.shape[1], known.shape[0])
            seen = self.background.uncover(index, camera, ~known)
            color = np.asarray(cv2.copyTo(seen.color, seen.known.astype(np.uint8), color), np.float32)
            origin[seen.known] = PixelOrigin.OTHER_FRAME
            known |= seen.known
            z = np.where(seen.known, seen.z, z) if z is not None else None
        kernel = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
        inner = cv2.erode(known.astype(np.uint8), kernel, borderValue=1) > 0
        # Slivers too thin to have an inside still colour what nothing else reaches.
        weight, say = far_side_weights(z, known)
        missed = self.missing.weight(color, known)
        # With depth the far side is known, and colours only have a say in how far it spreads.
        weight, say = (weight * missed, missed) if z is None else (weight, say * missed)
        weight = np.where(inner, weight, weight * np.float32(0.02))
        filled = pull_push(color, weight, say, ~known)
        return np.asarray(cv2.copyTo(color, known.astype(np.uint8), filled), np.float32), origin
