# SPDX-License-Identifier: GPL-3.0-or-later
"""A ray meets the mesh where a slow, independent search says it does."""

from __future__ import annotations

import time

import numpy as np
from ex4d_blender.core.picking import Surface


def bumpy(height: int, width: int, seed: int = 0) -> Surface:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    z = 4 + rng.uniform(-0.3, 0.3, (height, width))
    rays = np.stack([(x - width / 2) / width, (y - height / 2) / width, np.ones_like(x)], axis=-1)
    return Surface((rays * z[..., None]).astype(np.float32), rng.uniform(size=(height - 1, width - 1)) < 0.8)


def slow_hits(surface: Surface, origin: np.ndarray, direction: np.ndarray) -> list[float]:
    """Distances along the ray, each quad's triangles by solving for the point."""
    found = []
    vertices = surface.vertices.astype(float)
    for row, column in zip(*np.nonzero(surface.valid), strict=True):
        bl, br = vertices[row + 1, column], vertices[row + 1, column + 1]
        tr, tl = vertices[row, column + 1], vertices[row, column]
        for a, b, c in ((bl, br, tr), (bl, tr, tl)):
            t, u, v = np.linalg.solve(np.stack([direction, a - b, a - c], axis=1), a - origin)
            if t > 0 and u >= 0 and v >= 0 and u + v <= 1:
                found.append(t)
    return sorted(found)


def test_rays_meet_the_surface_where_a_slow_search_says() -> None:
    surface, rng = bumpy(9, 12), np.random.default_rng(1)
    hits = 0
    for _ in range(150):
        origin = rng.uniform(-3, 3, 3)
        direction = rng.uniform((-2, -1.5, 3), (2, 1.5, 5)) - origin
        expected, found = slow_hits(surface, origin, direction), surface.hit(origin, direction)
        if not expected:
            assert found is None
            continue
        hits += 1
        np.testing.assert_allclose(found, origin + expected[0] * direction, atol=1e-9)
    assert hits > 40


def test_what_lies_behind_the_eye_is_not_met() -> None:
    surface = Surface(bumpy(9, 12).vertices, np.ones((8, 11), bool))
    assert surface.hit(np.zeros(3), np.array([0.01, 0.02, 1.0])) is not None
    assert surface.hit(np.zeros(3), np.array([0.01, 0.02, -1.0])) is None


def test_torn_quads_let_the_ray_pass() -> None:
    # Two sheets, the nearer one torn where the ray passes.
    near = bumpy(5, 5).vertices
    both = np.concatenate([near, near * 2])
    valid = np.ones((9, 4), bool)
    valid[4] = False
    whole = Surface(both, valid).hit(np.zeros(3), np.array([0.01, 0.02, 1.0]))
    torn = valid.copy()
    torn[:4] = False
    behind = Surface(both, torn).hit(np.zeros(3), np.array([0.01, 0.02, 1.0]))
    assert whole is not None
    assert behind is not None
    np.testing.assert_allclose(behind, 2 * whole, rtol=1e-6)


def test_a_full_mesh_is_met_in_a_moment() -> None:
    surface = Surface(bumpy(512, 512).vertices, np.ones((511, 511), bool))
    took = []
    for _ in range(5):
        start = time.thread_time()
        assert surface.hit(np.zeros(3), np.array([0.1, 0.05, 1.0])) is not None
        took.append(time.thread_time() - start)
    assert min(took) < 0.25
