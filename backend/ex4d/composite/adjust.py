# SPDX-License-Identifier: Apache-2.0
"""What is done to a model's fill before it is used: its shift of colours is taken off, the plate's grain given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.fill.color_match import MATCH_VERSION, ColorMatch, match_colors
from ex4d.fill.grain import GRAIN_VERSION, Grain, measure_grain
from ex4d.fill.stage import FillStore
from ex4d.media.encoding import display_encoding
from ex4d.media.frames import FrameSource
from ex4d.raster.store import RasterStore

#: Frames of a window that the shift of colours is fitted on, and pairs of frames that grain is measured on; spread over
#: all that there are.
MATCHED_FRAMES, MEASURED_PAIRS = 16, 8
_NO_GRAIN = "The plate's grain could not be measured: too little of it stands still. The fill is as the model drew it."


@dataclass(frozen=True)
class FillAdjustments:
    """Which adjustments a take has; a fill that no model drew has none.

    Attributes:
        colour_match, grain: see ``OutputRequest``.
    """

    colour_match: bool = False
    grain: bool = False

    def inputs(self) -> dict[str, Any]:
        """What of them changes pixels, for keys; empty where there is none."""
        match = {"colour_match": MATCH_VERSION} if self.colour_match else {}
        return match | ({"grain": GRAIN_VERSION} if self.grain else {})


@dataclass(frozen=True)
class AdjustedFill:
    """The adjustments of a take's fill, fitted.

    Attributes:
        match: the generator's shift of colours; None = it is left.
        grain: the plate's; None = none is given.
        seed: of the grain.
        notes: sentences for the report.
    """

    match: ColorMatch | None = None
    grain: Grain | None = None
    seed: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, wanted: FillAdjustments, frames: FrameSource, raster: RasterStore, fill: FillStore) -> AdjustedFill:
        """Fit what is wanted; always the same for the same take."""
        match = _match(raster, fill) if wanted.colour_match else None
        grain = _measure(frames) if wanted.grain else None
        notes = [match.note] if match is not None and match.note else []
        if wanted.grain and grain is None:
            notes.append(_NO_GRAIN)
        return cls(match, grain, fill.seed or 0, tuple(notes))

    def colors(self, drawn: NDArray[Any]) -> NDArray[Any]:
        """A generator's picture (h, w, 3) of working codes without its shift of colours; floats where there was one."""
        if self.match is None or self.match.transform.is_identity:
            return drawn
        white = np.float32(display_encoding(drawn.dtype).white)
        return self.match.transform.apply(drawn / white) * white

    def with_grain(self, picture: NDArray[np.float32], number: int, white: int) -> NDArray[np.float32]:
        """The filled picture (H, W, 3) of float working codes of frame ``number``, with grain."""
        if self.grain is None:
            return picture
        unit = np.asarray(picture / np.float32(white), np.float32)
        # Numbers of frames may be below 0, those of seeds not.
        seed = (self.seed, abs(number), int(number < 0))
        return np.asarray(picture + self.grain.draw(unit, seed) * np.float32(white), np.float32)

    def record(self) -> dict[str, Any]:
        """As take.json has it."""
        match = {"colour_match": self.match.record()} if self.match is not None else {}
        return match | ({"grain": self.grain.record()} if self.grain is not None else {})


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    """About evenly spaced ones, at most so many."""
    places = np.unique(np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int))
    return [numbers[place] for place in places]


def _match(raster: RasterStore, fill: FillStore) -> ColorMatch:
    numbers = _spread(raster.numbers, MATCHED_FRAMES)
    frames = ((fill.color(number), raster.color(number), raster.mask(number)) for number in numbers)
    return match_colors(frames, len(numbers), display_encoding(raster.color(numbers[0]).dtype).white)


def _measure(frames: FrameSource) -> Grain | None:
    following = list(zip(frames.numbers[:-1], frames.numbers[1:], strict=True))
    chosen = [following[place] for place in _spread(range(len(following)), MEASURED_PAIRS)] if following else []

    def pairs() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for first, second in chosen:
            yield frames.encoding.unit(frames.read(first)[0]), frames.encoding.unit(frames.read(second)[0])

    return measure_grain(pairs())
