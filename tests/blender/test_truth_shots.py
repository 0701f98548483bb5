# SPDX-License-Identifier: GPL-3.0-or-later
"""Source cameras of the truth scenes: the same seed, the same path, and each kind of shot moves as it says."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from mathutils import Vector

from tools.scenes import make_groundtruth
from tools.scenes.truth import cameras, families
from tools.scenes.truth.kit import Scene, look_at
from tools.scenes.truth.render import Job, source_trajectory
from tools.scenes.truth.shots import SHOTS

#: Places and directions of the first seed's shots of 25 frames: in frames 1, 10 and 25.
PINNED = {
    "subject_hand": [
        ((-0.2452401, -3.3992548, 1.4663777), (0.0248065, 0.9861083, -0.1642413)),
        ((-0.0555591, -3.4032327, 1.4458387), (-0.0005840, 0.9860139, -0.1666620)),
        ((0.2264845, -3.4169116, 1.4531903), (0.0028333, 0.9877564, -0.1559782)),
    ],
    "subject_pan": [
        ((0, -3.4, 1.45), (-0.4220769, 0.8969135, -0.1318992)),
        ((0, -3.4, 1.45), (-0.1160999, 0.9868490, -0.1124719)),
        ((0, -3.4, 1.45), (0.4251952, 0.9035398, -0.0531494)),
    ],
    "still_life_tilt": [
        ((0, -2, 1.3), (0, 0.9642054, -0.2651565)),
        ((0, -2, 1.3), (0, 0.9870527, -0.1603961)),
        ((0, -2, 1.3), (0, 0.9996876, 0.0249922)),
    ],
    "still_life_little": [
        ((-0.01, -2, 1.3), (0.0049251, 0.9850185, -0.1723781)),
        ((-0.0036719, -2, 1.3), (0.0018085, 0.9850288, -0.1723801)),
        ((0.01, -2, 1.3), (-0.0049251, 0.9850185, -0.1723781)),
    ],
    "thin_slide": [
        ((-0.3, -2.9, 1.25), (0.1019442, 0.9854601, -0.1359255)),
        ((-0.1101563, -2.9, 1.25), (0.0376020, 0.9899206, -0.1365409)),
        ((0.3, -2.9, 1.25), (-0.1019442, 0.9854601, -0.1359255)),
    ],
    "street_hand": [
        ((-0.1196876, -3.0115717, 1.5776343), (0.0232361, 0.9997249, -0.0032026)),
        ((-0.0532999, -2.4822933, 1.6357666), (-0.0245652, 0.9986107, -0.0466208)),
        ((0.1688292, -1.5900201, 1.6100293), (-0.0043257, 0.9996190, -0.0272545)),
    ],
}
TURNING = [name for name in SHOTS if name.endswith(("_pan", "_tilt"))]
RIDING = [name for name in SHOTS if name.endswith(("_dolly", "_orbit", "_slide", "_hand", "_walk", "_drone", "_truck"))]


def _filmed(name: str, seed: int = 1, seconds: float = 25 / 24) -> Scene:
    """A shot's camera, without what it sees."""
    made = Scene(np.random.default_rng(0), seed=seed, seconds=seconds)
    SHOTS[name][1](made)
    return made


def _direction(s: Scene, t: float) -> Vector:
    return (s.target(t) - s.eye(t)).normalized()


def test_the_command_names_them_all() -> None:
    assert set(make_groundtruth.FAMILIES + make_groundtruth.SHOTS) == {*families.FAMILIES, *SHOTS}
    assert {family for family, _ in SHOTS.values()} <= set(families.FAMILIES)


@pytest.mark.parametrize("name", PINNED)
def test_the_path_of_the_first_seed(name: str) -> None:
    made = _filmed(name)
    for frame, (eye, direction) in zip((0, 9, 24), PINNED[name], strict=True):
        np.testing.assert_allclose(made.eye(frame / 24), eye, atol=1e-6)
        np.testing.assert_allclose(_direction(made, frame / 24), direction, atol=1e-6)


@pytest.mark.parametrize("name", TURNING)
def test_what_turns_stays_at_its_place(name: str) -> None:
    made = _filmed(name)
    assert all((made.eye(t) - made.eye(0)).length == 0 for t in (0.3, 0.7, 1))
    assert 12 < math.degrees(_direction(made, 0).angle(_direction(made, 1))) < 60


@pytest.mark.parametrize("name", RIDING)
def test_what_rides_goes_somewhere(name: str) -> None:
    made = _filmed(name)
    assert max((made.eye(t) - made.eye(0)).length for t in (0.25, 0.5, 0.75, 1)) > 0.4


def test_a_drone_climbs_and_looks_down() -> None:
    made = _filmed("street_drone")
    way = made.eye(1) - made.eye(0)
    assert min(way.y, way.z) > 3
    assert _direction(made, 1).z < -0.5


def test_a_hand_shakes_in_its_own_time_and_otherwise_with_each_seed() -> None:
    short, long = (cameras.shake(7, seconds) for seconds in (1.0, 2.0))
    assert short(1) == pytest.approx(long(0.5), abs=1e-12)
    values = [cameras.shake(7, 1.0)(t) for t in np.linspace(0, 1, 50)]
    assert 0.3 < np.ptp(values) < 6
    first, second = (_filmed("subject_hand", seed) for seed in (1, 2))
    assert (first.eye(0.4) - second.eye(0.4)).length > 1e-3
    assert _filmed("subject_hand", 0).eye(0.4) != first.eye(0.4)
    calm, wild = (_filmed(name) for name in ("subject_breath", "street_walk"))
    assert 0.01 > max((calm.eye(t) - calm.eye(0)).length for t in (0.3, 0.6, 1)) > 0
    assert max(abs(wild.eye(t).z - wild.eye(0).z) for t in np.linspace(0, 1, 25)) > 0.04


@pytest.mark.parametrize(("name", "family"), [("still_life_zoom", "still_life"), ("subject_hand", "subject")])
def test_a_shot_has_the_scene_of_its_family(name: str, family: str) -> None:
    shot = families.build(name, 3)
    names, moving, number = list(shot.names), set(shot.moving), shot.rng.uniform()
    plain = families.build(family, 3)
    assert (plain.names, plain.moving, plain.rng.uniform()) == (names, moving, number)


def test_lenses_and_zooms() -> None:
    made = families.build("still_life_zoom", 1)
    K = source_trajectory(made, Job("", "still_life_zoom", 1, 100, 3, 1, {}, 1, fov=40)).K
    degrees = np.degrees(2 * np.arctan(50 / K[:, 0, 0]))
    assert degrees[0] == pytest.approx(40, abs=1e-9)
    assert K[:, 0, 0] / K[0, 0, 0] == pytest.approx([1, 1.5**0.5, 1.5])
    plain = families.build("still_life", 1)
    K = source_trajectory(plain, Job("", "still_life", 1, 512, 3, 1, {}, 1)).K
    np.testing.assert_array_equal(K, np.broadcast_to([[500, 0, 256], [0, 500, 256], [0, 0, 1]], (3, 3, 3)))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_figure_fills_the_close_shot(seed: int) -> None:
    made = families.build("subject_close", seed)
    rays = (np.stack(np.meshgrid(np.arange(24), np.arange(24)), -1).reshape(-1, 2) + 0.5) / 24 - 0.5
    for t in (0, 0.5, 1):
        families.pose(made, t)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        camera = look_at(made.eye(t), made.target(t))
        hits = 0
        for x, y in rays / (500 / 512):
            way = camera.to_3x3() @ Vector((x, y, -1))
            hit, _, _, _, thing, _ = made.scene.ray_cast(depsgraph, made.eye(t), way)
            hits += hit and thing.pass_index in made.moving
        assert hits / len(rays) > 0.3
