# SPDX-License-Identifier: Apache-2.0
"""Still plates of film people's kinds, from the file to the source view: to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import make_depth
from test_film_plates import Work, bits

from ex4d.media.stills import read_still
from ex4d.plate import open_plate
from ex4d.protocol.errors import BadInputError
from tools.plates.make import make_plate

PLATES = Path(__file__).parents[3] / "shared/data/plates"


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("exr_tiled", "auto"),
        ("exr_multipart", "auto"),
        ("exr_aces_container", "auto"),
        ("exr_float_zips", "auto"),
        ("exr_crop", "auto"),
        ("exr_overscan", "auto"),
        ("exr_alpha", "auto"),
        ("tiff_float", "ACEScg"),
        ("tiff_associated", "auto"),
    ],
)
def test_the_source_view_is_the_frame_of_the_file(tmp_path: Path, name: str, space: str) -> None:
    make_plate(tmp_path, name)
    work = Work(tmp_path)
    path = sorted((tmp_path / name).iterdir())[0]
    still = read_still(path)
    height, width = still.pixels.shape[:2]
    make_depth(tmp_path / "depth.npz", 1, width, height)
    reconstruction = work.reconstruct(tmp_path / name, frames="1001", colour_space=space)
    result = work.results(reconstruction, work.render(reconstruction)).read(1001)
    frame = still.facts.frame
    framed = still.pixels
    if frame is not None:
        framed = framed[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    assert np.array_equal(bits(result.pixels), bits(np.ascontiguousarray(framed[..., :3])))
    if framed.shape[2] == 4:
        assert result.alpha is not None
        assert np.array_equal(bits(result.alpha), bits(np.ascontiguousarray(framed[..., 3])))
    assert (result.mask == 255).all()


@pytest.mark.shared
def test_plates_with_frames_below_zero_and_of_two_formats() -> None:
    for path in (PLATES / "neg", PLATES / "neg/p.####.png"):
        info = open_plate(path).info
        assert (info.first_frame, info.frame_count) == (-4, 9)
    for pattern in ("p.$F4.png", "p.@@@@.png", "p.[1001-1009].png", "p.####.png 1001-1009", "p.%04d.png"):
        assert open_plate(PLATES / "names" / pattern).info.frame_count == 9
    with pytest.raises(BadInputError, match=r"p\.####\.exr, p\.####\.jpg"):
        open_plate(PLATES / "exr_and_jpg")
