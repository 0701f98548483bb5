# SPDX-License-Identifier: GPL-3.0-or-later
"""A solved source camera in a scene: its keys, its points, its tracks, and what the panel says of it."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from ex4d_blender.core.solved_scene import read_solved, solved_of
from ex4d_blender.scene import camera, shot
from viewport_factory import add_solve, make_shot

from ex4d.protocol.errors import BadInputError


def values_of(mesh: bpy.types.Mesh, name: str) -> np.ndarray:
    attribute = mesh.attributes[name]
    out = np.empty(len(attribute.data), np.float32)
    attribute.data.foreach_get("value", out)
    return out


def test_the_source_camera_has_the_keys_of_the_solve(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = add_solve(make_shot(tmp_path, moving=True, plate=(960, 640), pictures=False))
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    source = placed.source()
    seen = camera.sample_trajectory(scene, placed.frames, root=placed.root, camera=placed.source_camera)
    solved = solved_of(record)
    assert solved is not None
    for want, have in zip(source, seen, strict=True):
        pixels, _ = want.project(solved.xyz)
        np.testing.assert_allclose(have.project(solved.xyz)[0], pixels, atol=1e-3)


def test_points_stand_below_the_shot(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = add_solve(make_shot(tmp_path, moving=True))
    placed = shot.import_shot(scene, record)
    solved = solved_of(record)
    assert solved is not None
    points = placed.points
    assert points is not None
    assert points.parent == placed.root
    assert (points.hide_render, points.hide_select) == (True, True)
    np.testing.assert_allclose([v.co[:] for v in points.data.vertices], solved.xyz, atol=1e-6)
    np.testing.assert_allclose(values_of(points.data, "error"), solved.error, atol=1e-6)
    # A mesh and points are told from each other, and a shot that is renewed has one cloud.
    assert placed.mesh != points
    again = shot.import_shot(scene, add_solve(make_shot(tmp_path / "b", moving=True)) | {"shot": record["shot"]})
    assert again.points == points
    assert sum(shot.role(obj) == "points" for obj in scene.objects) == 1
    plain = make_shot(tmp_path / "c") | {"shot": record["shot"]}
    assert shot.import_shot(scene, plain).points is None
    assert not any(shot.role(obj) == "points" for obj in bpy.data.objects)


def test_a_damaged_solve_changes_nothing(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = add_solve(make_shot(tmp_path))
    folder = Path(record["solve"])
    arrays = dict(np.load(folder / "solve.npz"))
    for bad in (
        {"sighting_track": arrays["sighting_track"] + 1},
        {"point_xyz": arrays["point_xyz"][:-1]},
        {"point_xyz": arrays["point_xyz"] * np.nan},
    ):
        np.savez(folder / "solve.npz", **{**arrays, **bad})
        with pytest.raises(BadInputError, match="damaged"):
            shot.import_shot(scene, record)
    np.savez(folder / "solve.npz", **arrays)
    (folder / "solve.json").write_text(json.dumps({"format": "ex4d-solve", "version": 2, "work_size": [1, 1]}))
    with pytest.raises(BadInputError, match="version"):
        shot.import_shot(scene, record)
    assert not len(scene.objects)


def test_tracks_are_coloured_by_what_the_solve_says_of_them(scene: bpy.types.Scene, tmp_path: Path) -> None:
    from ex4d_blender.ui import tracks

    record = add_solve(make_shot(tmp_path, moving=True))
    solved = read_solved(Path(record["solve"]))
    sightings = solved.seen_in(2)
    found = tracks.colours(solved, sightings)
    assert len(found) == 22
    np.testing.assert_allclose(found[0], tracks.GOOD, atol=1e-6)
    np.testing.assert_allclose(found[19], tracks.POOR, atol=1e-6)
    np.testing.assert_allclose(found[20:], (tracks.MOVING, tracks.ON_SCREEN), atol=1e-6)
    # On the camera's frame they lie where the camera sees the points of the picture.
    placed = shot.import_shot(scene, record)
    shot.match_scene(scene, record)
    scene.frame_set(placed.frames[2])
    corners = np.array([corner[:] for corner in placed.source_camera.data.view_frame(scene=scene)])
    where = tracks.places(corners, solved.xy[sightings]) * (1, -1, -1)
    pixels = where @ placed.source().K[2].T
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], solved.xy[sightings] * (48, 32), atol=1e-3)
