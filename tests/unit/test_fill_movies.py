# SPDX-License-Identifier: Apache-2.0
"""Filling a pair of movies, colour and mask, that came without depth."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ex4d.composite.movies import MovieTake
from ex4d.fill import create_generator
from ex4d.fill.preview.color_statistics import MissingColors
from ex4d.jobs.fill_movies import fill_movies
from ex4d.media.movie import MovieWriter
from ex4d.plate import FrameRange, open_plate
from ex4d.protocol.results import result_record
from ex4d.system.progress import Silent

FLOWER = Path(__file__).parents[3] / "shared" / "data" / "flower"
WIDTH, HEIGHT, COUNT = 128, 96, 6
RATE = Fraction(30000, 1001)
BLUE, RED = (40, 60, 150), (210, 50, 40)


def render(index: int) -> tuple[np.ndarray, np.ndarray]:
    """A red square before a blue wall; from frame 1 on only the square and a strip of wall are seen."""
    color = np.full((HEIGHT, WIDTH, 3), BLUE, np.uint8)
    color[24:72, 40:88] = RED
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    if index:
        mask[:] = 0
        mask[24:72, 40:88] = 255
        mask[:, :16] = 255
    return np.where(mask[..., None] > 0, color, 0).astype(np.uint8), mask


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    paths = folder / "color.mp4", folder / "mask.mp4"
    for which, path in enumerate(paths):
        with MovieWriter(path, width=WIDTH, height=HEIGHT, fps=RATE) as movie:
            for index in range(COUNT):
                picture = render(index)[which]
                movie.write(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2))
    return paths


def test_what_is_missing_flows_in(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out" / "filled.mp4"
    record = result_record(fill_movies(MovieTake.open(*pair, 2), create_generator("preview"), out, Silent()))
    reader = open_plate(out)
    frames = [frame.pixels.astype(float) for frame in reader.frames()]
    assert reader.info.fps == RATE
    assert len(frames) == COUNT
    for index, frame in enumerate(frames):
        color, mask = render(index)
        if index == 0:
            assert np.abs(frame - color).mean() < 3
            continue
        hole = mask == 0
        hole[18:78, 34:94] = False  # the seam, which fades from the square's own colour
        assert np.abs(frame[hole] - BLUE).mean() < 12
        inside = np.s_[30:66, 46:82]
        assert np.abs(frame[inside] - RED).mean() < 6
    assert record == json.loads(out.with_suffix(".json").read_text())
    assert record["generated"][0] == 0
    eroded = 1 - ((48 - 4) ** 2 + HEIGHT * 14) / (WIDTH * HEIGHT)
    assert record["generated"][1] == pytest.approx(eroded, abs=0.01)
    assert record["generated_max"] == pytest.approx(max(record["generated"]))
    assert record["fill"]["generative_model"] is False
    assert record["mask_erosion_px"] == 2
    assert any("colours alone" in note for note in record["notes"])


def test_colours_still_in_sight_weigh_less() -> None:
    first, mask = render(0)[0].astype(np.float32), render(1)[1] > 0
    missing = MissingColors(first, np.ones_like(mask), 255)
    weight = missing.weight(first * mask[..., None], mask)
    assert weight.dtype == np.float32
    wall, square = np.zeros_like(mask), np.zeros_like(mask)
    wall[:, :16], square[24:72, 40:88] = True, True
    assert weight[wall].min() > 0.9
    assert weight[square].max() < 0.01


def test_nothing_is_told_without_a_whole_first_frame() -> None:
    color, mask = render(1)
    missing = MissingColors(color.astype(np.float32), mask > 0, 255)
    assert (missing.weight(color.astype(np.float32), mask > 0) == 1).all()


@pytest.mark.shared
@pytest.mark.skipif(not FLOWER.exists(), reason="needs the flower footage in ../shared/data, which is not there")
def test_a_render_of_the_released_code(tmp_path: Path) -> None:
    """The flower stays yellow, the field about it becomes the dark green that the plate shows there."""
    pair = tmp_path / "color.mp4", tmp_path / "mask.mp4"
    for name, path in zip(("render_180.mp4", "mask_180.mp4"), pair, strict=True):
        reader = open_plate(FLOWER / name, frames=FrameRange.parse("1001-1016"))
        with MovieWriter(path, width=reader.info.width, height=reader.info.height, fps=reader.info.fps) as movie:
            for number, frame in enumerate(reader.frames()):
                if number % 5 == 0:
                    movie.write(frame.pixels)
    out = tmp_path / "filled.mp4"
    record = result_record(fill_movies(MovieTake.open(*pair, 2), create_generator("preview"), out, Silent()))
    filled, rendered, masks = (
        [frame.pixels.astype(float) for frame in open_plate(path).frames()] for path in (out, *pair)
    )
    plate = filled[0]
    dark = np.median(plate[300:500, 350:500].reshape(-1, 3), axis=0)
    for frame, render_frame, mask in zip(filled[1:], rendered[1:], masks[1:], strict=True):
        hole = mask[..., 1] < 40
        assert hole.mean() > 0.1
        assert np.abs(np.median(frame[hole], axis=0) - dark).max() < 40
        seen = mask[..., 1] > 250
        assert np.median(np.abs(frame - render_frame)[seen]) < 4
    assert record["generated_mean"] > 0.2
