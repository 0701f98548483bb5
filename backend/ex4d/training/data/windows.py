# SPDX-License-Identifier: Apache-2.0
"""Videos -> windows: so many frames in a row of one shot in which something moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import is_cut
from ex4d.media.encoding import display_encoding
from ex4d.plate import FrameRange, open_display_plate
from ex4d.protocol.errors import Ex4dError

Frames = NDArray[np.uint8]

#: Pictures are compared at this many pixels along the longer side, where compression's noise has averaged out.
LOOK_SIDE = 96
#: A window in which no frame differs from the first by this many grey levels (mean of 0..255) stands still. Seen: a
#: locked camera on a flower in the wind 5, a still picture encoded as a video below 0.3.
STATIC_CHANGE = 1.0


@dataclass(frozen=True)
class Window:
    """So many frames in a row.

    Attributes:
        video: hash of the video's file.
        path: of the file.
        first: index of the first frame in the video.
        count: of frames.
        caption: of the video.
    """

    video: str
    path: Path
    first: int
    count: int
    caption: str = ""

    @property
    def name(self) -> str:
        """Tells windows apart, also between videos of the same name; does not change when files are moved."""
        return f"{self.video[:16]}-{self.first:06d}"


@dataclass
class Scan:
    """What was found in a video.

    Attributes:
        frames: decoded.
        firsts: indices of the windows' first frames.
        rejected: how many windows were left out, by reason: "static", and "short" for shots or rests that are shorter
            than a window; "broken" is 1 where the video cannot be decoded to its end.
        cuts: indices of frames that a new shot begins with.
        problem: why it is broken.
    """

    frames: int = 0
    firsts: list[int] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    problem: str = ""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def _look(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    eight = display_encoding(pixels.dtype).to_8bit(pixels)
    height, width = eight.shape[:2]
    scale = min(1.0, LOOK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(cv2.resize(eight, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, dtype=np.uint8)


def scan_video(path: Path, count: int) -> Scan:
    """Look through a video for windows of ``count`` frames; they follow one another and never span a cut.

    A video that cannot be decoded to its end is left out as a whole: what is wrong in it may also be wrong before.
    """
    scan, rejected = Scan(), Counter[str]()
    former: NDArray[np.uint8] | None = None
    start: NDArray[np.uint8] | None = None
    begun, change = 0, 0.0
    try:
        for index, frame in enumerate(open_display_plate(path, first_frame=0).frames()):
            look = _look(frame.pixels)
            if former is not None and is_cut(former, look):
                scan.cuts.append(index)
                rejected["short"] += int(start is not None)
                start = None
            if start is None:
                start, begun, change = look, index, 0.0
            change = max(change, float(cv2.absdiff(start, look).mean()))
            if index - begun + 1 == count:
                if change >= STATIC_CHANGE:
                    scan.firsts.append(begun)
                else:
                    rejected["static"] += 1
                start = None
            former = look
            scan.frames = index + 1
    except Ex4dError as error:
        return Scan(scan.frames, [], {"broken": 1}, scan.cuts, str(error))
    rejected["short"] += int(start is not None)
    scan.rejected = {reason: number for reason, number in sorted(rejected.items()) if number}
    return scan


def fitted(pixels: NDArray[Any], size: tuple[int, int]) -> Frames:
    """A frame's middle at ``size`` (width, height): cropped to its aspect, then scaled; (h, w, 3) uint8."""
    eight = display_encoding(pixels.dtype).to_8bit(pixels)
    height, width = eight.shape[:2]
    scale = min(width / size[0], height / size[1])
    across, down = min(width, round(size[0] * scale)), min(height, round(size[1] * scale))
    x, y = (width - across) // 2, (height - down) // 2
    crop = eight[y : y + down, x : x + across]
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, size, interpolation=method), dtype=np.uint8)


def window_frames(windows: Sequence[Window], size: tuple[int, int]) -> Iterator[tuple[Window, Frames]]:
    """The frames (T, h, w, 3) of windows of one video, in the order of their places; it is decoded once.

    Raises:
        BadInputError: the video has changed or cannot be read any more.
    """
    ordered = sorted(windows, key=lambda window: window.first)
    wanted = FrameRange(ordered[0].first, ordered[-1].first + ordered[-1].count)
    pending = list(ordered)
    kept: list[Frames] = []
    for frame in open_display_plate(ordered[0].path, frames=wanted, first_frame=0).frames():
        if frame.number >= pending[0].first:
            kept.append(fitted(frame.pixels, size))
        if len(kept) == pending[0].count:
            yield pending.pop(0), np.stack(kept)
            kept = []
