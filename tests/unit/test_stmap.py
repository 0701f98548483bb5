# SPDX-License-Identifier: Apache-2.0
"""STMaps: there and back again, overscan, and what they say of a real picture."""

from __future__ import annotations

import numpy as np
import pytest
from test_lens import FOCAL, FULL_OPENCV, SIZE, K

from ex4d.camera import Camera, Lens, intrinsics
from ex4d.camera.stmap import STMap, redistort_map, undistort_map, undistorted_window
from ex4d.protocol.errors import BadInputError

BARREL = Lens("polynomial", (-0.12,))
SMALL, SMALL_K = (192, 108), intrinsics(FOCAL / 10, 192, 108)


def sampled(stmap: STMap, at: np.ndarray) -> np.ndarray:
    """A map's positions (N, 2), plate pixels, at plate pixels (N, 2): bilinear in float64."""
    uv = stmap.uv.astype(np.float64)
    x, y = (at - (stmap.left + 0.5, stmap.top + 0.5)).T
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - column)[:, None], (y - row)[:, None]
    top = uv[row, column] * (1 - fx) + uv[row, column + 1] * fx
    bottom = uv[row + 1, column] * (1 - fx) + uv[row + 1, column + 1] * fx
    return positions(top * (1 - fy) + bottom * fy)


def positions(uv: np.ndarray) -> np.ndarray:
    return np.stack([uv[..., 0] * SIZE[0], (1 - uv[..., 1]) * SIZE[1]], axis=-1)


@pytest.mark.parametrize("lens", [BARREL, Lens("nuke", (0.1,)), Lens("opencv", FULL_OPENCV)], ids=str)
def test_undistort_and_redistort_meet(lens: Lens) -> None:
    camera = Camera(K, np.eye(4), *SIZE, lens=lens)
    back, off = redistort_map(camera), undistort_map(camera)
    height, width = back.uv.shape[:2]
    assert (width, height) == SIZE
    # Where each plate pixel lies without distortion, distorted again by the formula: float32 is all that is lost.
    rows, columns = np.mgrid[0:height:7, 0:width:7]
    ideal = positions(back.uv[rows, columns].astype(np.float64))
    again = lens.distort((ideal - K[:2, 2]) / FOCAL) * FOCAL + K[:2, 2]
    centres = np.stack([columns + 0.5, rows + 0.5], axis=-1)
    assert np.abs(again - centres).max() < 1e-4
    # Through both maps: bilinear between pixels costs the lens's curvature over one pixel.
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(sampled(off, ideal[inner].reshape(-1, 2)) - centres[inner].reshape(-1, 2)).max() < 1e-3
    # The other map alone, at its own centres; beyond the plate float32 is coarser.
    rows, columns = np.mgrid[0 : off.uv.shape[0] : 7, 0 : off.uv.shape[1] : 7]
    here = np.stack([columns + off.left + 0.5, rows + off.top + 0.5], axis=-1)
    plate = positions(off.uv[rows, columns].astype(np.float64))
    wanted = lens.distort((here - K[:2, 2]) / FOCAL) * FOCAL + K[:2, 2]
    inside = ((plate >= 0) & (plate <= SIZE)).all(axis=-1)
    assert np.abs(plate - wanted)[inside].max() < 1e-4


def test_overscan_is_the_whole_picture_and_no_more() -> None:
    camera = Camera(K, np.eye(4), *SIZE, lens=BARREL)
    left, top, width, height = undistorted_window(camera)
    border = np.array([[0.0, 0.0], [1920.0, 0.0], [0.0, 1080.0], [1920.0, 1080.0]])
    ideal = camera.rays(border) * FOCAL + K[:2, 2]
    assert (ideal >= (left, top)).all()
    assert (ideal <= (left + width, top + height)).all()
    assert left == int(np.floor(ideal[:, 0].min()))
    assert left < -60
    assert width > 2040
    # A pincushion needs less than the frame at its edges, more in its corners.
    assert undistorted_window(Camera(K, np.eye(4), *SIZE)) == (0, 0, *SIZE)


def test_a_pinholes_maps_are_the_frame_itself() -> None:
    stmap = undistort_map(Camera(SMALL_K, np.eye(4), *SMALL))
    assert stmap.uv.dtype == np.float32
    np.testing.assert_allclose(stmap.uv[0, :3, 0], [0.5 / 192, 1.5 / 192, 2.5 / 192], rtol=1e-6)
    np.testing.assert_allclose(stmap.uv[[0, -1], 0, 1], [1 - 0.5 / 108, 0.5 / 108], rtol=1e-6)


def test_a_picture_without_end_is_refused() -> None:
    camera = Camera(intrinsics(300, *SIZE), np.eye(4), *SIZE, lens=Lens("division", (0.07,)))
    with pytest.raises(BadInputError, match="pixels"):
        undistorted_window(camera)
