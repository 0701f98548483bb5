"""What moves by itself before a camera that only turns: too fast for any flow, in all frames, and nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from solve_scenes import FIRST, RATE, room_pictures, texture

from ex4d.depth.parallax.turning_movers import TurningMovers
from ex4d.media.frames import ArrayFrames

COUNT, SIZE = 14, (192, 144)


@dataclass
class Thing:
    """Something drawn over a pan, upright: its left edge by frame, its sides, its texture (H, W) uint8."""

    left: list[float]
    top: int
    bottom: int
    picture: np.ndarray

    def mask(self, frame: int) -> np.ndarray:
        """(H, W) bool where it is."""
        columns = np.arange(SIZE[0])
        across = (columns >= self.left[frame]) & (columns < self.left[frame] + self.picture.shape[1])
        rows = np.arange(SIZE[1])[:, None]
        return np.asarray(across & (rows >= self.top) & (rows < self.bottom))

    def draw(self, picture: np.ndarray, frame: int) -> None:
        """Over a picture (H, W, 3), in place."""
        mask = self.mask(frame)
        row, column = np.nonzero(mask)
        picture[mask] = self.picture[row - self.top, column - round(self.left[frame])][:, None]


def found(things: list[Thing], folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each frame what is found to move, and what moves."""
    pictures, camera = room_pictures("turns", count=COUNT, size=SIZE)
    for frame, picture in enumerate(pictures):
        for thing in things:
            thing.draw(picture, frame)
    frames = ArrayFrames.of(pictures, RATE, tuple(range(FIRST, FIRST + COUNT)))
    of_frame = TurningMovers().look_for(frames, camera, folder)
    moves = [np.any([thing.mask(frame) for thing in things], axis=0) for frame in range(COUNT)] if things else []
    moves = moves or [np.zeros(SIZE[::-1], bool)] * COUNT
    return [(of_frame(frame), moves[frame]) for frame in range(COUNT)]


def lorry() -> Thing:
    """Drives through within six frames, 70 pixels a frame and wider than the picture; its side is nearly plain."""
    side = np.full((SIZE[1], 300), 205, np.uint8)
    side[40:44] = 60
    side[:, 120:128] = 90
    return Thing([SIZE[0] - 70.0 * (frame - 4) for frame in range(COUNT)], 18, SIZE[1], side)


def test_what_is_too_fast_and_too_large_for_any_flow_is_found_by_what_is_seen_before_and_after(tmp_path: Path) -> None:
    frames = found([lorry()], tmp_path)
    inside = [(mask, moves) for mask, moves in frames if moves.mean() > 0.2]
    assert len(inside) >= 4
    assert min(mask[moves].mean() for mask, moves in inside) > 0.8
    assert np.mean([mask[moves].mean() for mask, moves in inside]) > 0.93
    assert max(mask[~moves].mean() for mask, moves in inside) < 0.02
    for mask, moves in frames:
        if not moves.any():
            assert not mask.any()


def test_what_is_there_in_all_frames_is_found_by_its_flow(tmp_path: Path) -> None:
    walker = Thing([40.0 + 7 * frame for frame in range(COUNT)], 40, 120, texture(7)[:80, :36])
    frames = found([walker], tmp_path)
    recall = [mask[moves].mean() for mask, moves in frames if moves.any()]
    assert np.mean(recall) > 0.9
    assert np.mean([(mask & ~moves).mean() for mask, moves in frames]) < 0.02


def test_a_pan_over_what_stands_still_has_none(tmp_path: Path) -> None:
    assert not any(mask.any() for mask, _ in found([], tmp_path))
