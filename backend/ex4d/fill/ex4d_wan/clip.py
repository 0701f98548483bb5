# SPDX-License-Identifier: Apache-2.0
"""A take as the model gets it: one clip of 4k+1 frames at the model's size, the source view first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.fill.base import TakeFrame, TakeView
from ex4d.fill.ex4d_wan.conditioning import TAKES
from ex4d.fill.ex4d_wan.quirks import erode_mask, erosion_side
from ex4d.protocol.errors import UsageError

#: A first frame that real surface covers so far counts as the source view where no cameras are known.
_SOURCE_COVERAGE = 0.98
#: A camera as near to the source camera as this shows its view: of the pivot's distance, and radians.
_SAME_POSITION, _SAME_ANGLE = 1e-3, 1e-3


@dataclass(frozen=True)
class Clip:
    """What the model gets.

    Attributes:
        color: (T, h, w, 3) float32 in [0, 1], ``TAKES.hole_color`` in the holes.
        visible: (T, h, w) bool, eroded as the adapter's training was.
        known: (T, h, w) bool, before the erosion.
        other: (T, h, w) bool, what of that other frames show.
        numbers: of the take's frames; T is larger by what was added before and after.
        lead: frames that were added before them, dropped from the result.
        white: the take's largest code value.
        notes: what was done to the take, for the report.
    """

    color: NDArray[np.float32]
    visible: NDArray[np.bool_]
    known: NDArray[np.bool_]
    other: NDArray[np.bool_]
    numbers: tuple[int, ...]
    lead: int
    white: int
    notes: tuple[str, ...]


def model_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) that the model works at for a take; see ``SizeRule.best``."""
    return TAKES.size.best(width, height)


def check_size(size: tuple[int, int]) -> None:
    """Raise UsageError for a size that the model cannot make."""
    if not TAKES.size.allows(size):
        near = "x".join(map(str, TAKES.size.near(size)))
        raise UsageError(
            f"The model cannot work at {size[0]}x{size[1]}.",
            f"Both sides must be divisible by {TAKES.size.multiple}: {near} would do.",
        )


def check_count(frames: int, lead: int = 0) -> None:
    """Raise UsageError for more frames than the model makes at once."""
    rule = TAKES.frames
    if frames + lead > rule.most:
        raise UsageError(
            f"The take has {frames} frames; the model makes {rule.most - lead} at once"
            + (" where the take does not start from the plate's own view." if lead else "."),
            f"Choose a range of frames; the adapter was trained on {rule.trained}.",
        )


def starts_at_source(take: TakeView) -> bool | None:
    """Whether the take's first frame is the source view; None where no cameras are known."""
    scene = take.scene
    if scene is None:
        return None
    first = scene.trajectory.frame_numbers[0] if scene.trajectory.frame_numbers else None
    source = scene.mesh.view
    index = source.frame_numbers.index(first) if first in source.frame_numbers else 0
    ours, theirs = scene.trajectory[0], source[index]
    relative = ours.E @ np.linalg.inv(theirs.E)
    angle = np.arccos(np.clip((np.trace(relative[:3, :3]) - 1) / 2, -1, 1))
    lens = ours.resized(theirs.width, theirs.height).K - theirs.K
    return bool(
        ours.lens == theirs.lens
        and np.linalg.norm(relative[:3, 3]) < _SAME_POSITION * scene.mesh.pivot
        and angle < _SAME_ANGLE
        and np.abs(lens).max() < _SAME_ANGLE * theirs.K[0, 0]
    )


def _with_holes(color: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The colour (h, w, 3) where it is visible (h, w), and what stands for nothing elsewhere."""
    return np.where(visible[..., None], color, np.asarray(TAKES.hole_color, np.float32)).astype(np.float32)


def _resized(frame: TakeFrame, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Colour (h, w, 3) in [0, 1] of the visible part only, and which pixels are more than half visible."""
    white = float(frame.encoding.white)
    seen = (frame.mask > 0).astype(np.float32)
    color = frame.color.astype(np.float32) / white * seen[..., None]
    if (color.shape[1], color.shape[0]) != size:
        method = cv2.INTER_AREA if size[0] * size[1] < seen.size else cv2.INTER_LINEAR
        seen = np.asarray(cv2.resize(seen, size, interpolation=method), dtype=np.float32)
        mixed = np.asarray(cv2.resize(color, size, interpolation=method), dtype=np.float32)
        color = mixed / np.maximum(seen, np.float32(1e-6))[..., None]
    visible = seen > 0.5
    return _with_holes(np.clip(color, 0, 1), visible), visible


def _source_picture(take: TakeView, number: int, size: tuple[int, int]) -> NDArray[np.float32]:
    assert take.scene is not None
    pixels, _ = take.scene.frames.read(number)
    color = pixels.astype(np.float32) / take.scene.frames.encoding.white
    return np.asarray(cv2.resize(color, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def make_clip(take: TakeView, size: tuple[int, int], seed: int, read: Callable[[], None] = lambda: None) -> Clip:
    """Read a take into a clip.

    The model is told where to start by a clean first frame, the source view. A take that starts there gets the plate's
    own frame in place of its render, as the released code does. One that starts elsewhere gets it put before its first
    frame, where it has a latent frame to itself, and the result loses it again.

    Args:
        take: rendered.
        size: (width, height) divisible by 16.
        seed: of the erosion.
        read: called after each frame; may raise to stop.

    Raises:
        UsageError: the take is too long for the model.
    """
    side, notes = erosion_side(seed), []
    at_source = starts_at_source(take)
    if take.count is not None:
        check_count(take.count, int(at_source is False))
    colors, visibles, knowns, others, numbers, white = [], [], [], [], [], 255
    for frame in take.frames():
        white = frame.encoding.white
        color, known = _resized(frame.with_other_frames(), size)
        visible = erode_mask(known.astype(np.uint8) * 255, side) > 0
        colors.append(_with_holes(color, visible))
        visibles.append(visible)
        knowns.append(known)
        others.append(known & ~_resized(frame, size)[1] if frame.other is not None else np.zeros_like(known))
        numbers.append(frame.number)
        check_count(len(numbers), int(at_source is False))
        read()
    lead = 0
    whole = np.ones(visibles[0].shape, np.bool_)
    if take.scene is not None and TAKES.source_first:
        picture = _source_picture(take, numbers[0], size)
        if at_source:
            colors[0], visibles[0] = picture, whole
        else:
            colors.insert(0, picture)
            visibles.insert(0, whole)
            knowns.insert(0, whole)
            others.insert(0, ~whole)
            lead = 1
            notes.append("The take does not start from the plate's view, so the model was shown that view first.")
    elif TAKES.source_first and knowns[0].mean() < _SOURCE_COVERAGE:
        notes.append("The first frame has holes; the model was trained with a whole one, so results may be worse.")
    missing = TAKES.frames.padded(len(colors)) - len(colors)
    if missing:
        notes.append(
            f"The model makes 4k+1 frames: the last one was held for {missing} more, which were cut off again."
        )
    colors += [colors[-1]] * missing
    visibles += [visibles[-1]] * missing
    knowns += [knowns[-1]] * missing
    others += [others[-1]] * missing
    pictures = (np.stack(colors), np.stack(visibles), np.stack(knowns), np.stack(others))
    return Clip(*pictures, tuple(numbers), lead, white, tuple(notes))
