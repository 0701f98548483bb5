# SPDX-License-Identifier: Apache-2.0
"""Source pixels and fill in one picture."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.composite.blend import FEATHER, composite


def hole(height, width, *, low=0.3, high=0.8):
    mask = np.full((height, width), 255, np.uint8)
    mask[int(low * height) : int(high * height), int(low * width) : int(high * width)] = 0
    return mask


def noise(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("fill_size", [(96, 128), (48, 64), (33, 51), (150, 200), (1, 1)])
def test_source_pixels_stay_to_the_bit(dtype, fill_size):
    color, mask = noise((96, 128, 3), dtype), hole(96, 128)
    result = composite(color, mask, noise((*fill_size, 3), dtype, 1), None)
    assert result.shape == color.shape
    assert result.dtype == dtype
    assert np.array_equal(result[mask > 0], color[mask > 0])


def test_frame_without_holes_is_the_source():
    color = noise((20, 30, 3), np.uint8)
    assert np.array_equal(composite(color, np.full((20, 30), 255, np.uint8), np.zeros_like(color), None), color)


def test_frame_without_source_is_the_fill():
    fill = noise((20, 30, 3), np.uint8)
    assert np.array_equal(composite(np.zeros_like(fill), np.zeros((20, 30), np.uint8), fill, None), fill)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_feather_lies_inside_the_fill(dtype):
    """Source 100, fill 140: at the seam they meet, and past the feather the fill is itself."""
    unit = int(np.iinfo(dtype).max) // 255
    mask = hole(512, 512)
    color = np.where(mask[..., None] > 0, 100 * unit, 0).astype(dtype).repeat(3, axis=2)
    fill = np.full((512, 512, 3), 140 * unit, dtype)
    result = composite(color, mask, fill, None).astype(float)[..., 0] / unit
    first, width = int(0.3 * 512), int(FEATHER * 512)
    row = result[256, first : first + 3 * width]
    assert abs(row[0] - 100) < 4
    assert np.all(np.diff(row) > -0.1)
    assert np.allclose(row[width + 1 :], 140, atol=0.01)


def test_the_seam_meets_the_far_side():
    """A hole between a near red thing and a far green wall: the fill is drawn to the wall, not to the thing."""
    mask, z = np.full((384, 512), 255, np.uint8), np.full((384, 512), 6, np.float32)
    mask[100:300, 200:320] = 0
    z[50:350, 100:200] = 2
    z[mask == 0] = np.nan
    color = np.zeros((384, 512, 3), np.uint8)
    color[:] = (0, 150, 0)
    color[50:350, 100:200] = (200, 0, 0)
    color[mask == 0] = 0
    fill = np.zeros((384, 512, 3), np.uint8)
    fill[:] = (0, 120, 0)
    result = composite(color, mask, fill, z)
    assert result[192, 319, 1] > 145
    assert result[192, 200:210, 0].max() < 10
