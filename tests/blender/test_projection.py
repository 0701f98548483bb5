# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished take on the mesh: exact from its own camera, holes where it has not seen the mesh; the plate again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.core.deliveries import read_take
from ex4d_blender.scene import camera as cameras
from ex4d_blender.scene import closing, heat_maps, material, mesh, mesh_switches, projection
from ex4d_blender.scene import shot as shots
from ex4d_blender.scene.data import mesh_data, node_tree
from test_scene_shot import frame_files, read, render
from viewport_factory import make_shot, write_png

from ex4d.camera import build_take, parse_preset, write_json
from ex4d.protocol.errors import BadInputError

pytest_plugins = ["addon_fixtures"]

#: Take frames, of a plate with 1001 to 1005.
NUMBERS = (1002, 1003, 1004)


@dataclass
class Placed:
    shot: shots.ShotObjects
    folder: Path
    camera: bpy.types.Object
    seen: np.ndarray

    @property
    def mesh(self) -> bpy.types.Object:
        assert self.shot.mesh is not None
        return self.shot.mesh

    @property
    def surface(self) -> bpy.types.Material:
        return mesh_switches.plate_material(self.mesh)

    @property
    def viewport(self) -> mesh.ViewportFolder:
        return mesh.described_viewport(Path(self.shot.record["viewport"]))

    def project(self) -> None:
        made, seen, start = read_take(self.folder), self.folder / "projection" / "seen", self.shot.first_frame
        title = "Take 01 v001"
        projection.show(self.mesh, self.surface, self.viewport, made, seen, title=title, first_frame=start)

    def show_plate(self) -> None:
        start = self.shot.first_frame
        projection.hide(self.mesh, self.surface, self.viewport, title="plate", first_frame=start)


def place(scene: bpy.types.Scene, folder: Path, *, first_frame: int | None = None) -> Placed:
    """A shot whose camera moves, and a take of it of coloured noise, which has seen the mesh's right half."""
    record = make_shot(folder, moving=True)
    shot = shots.import_shot(scene, record, name="plate", first_frame=first_frame)
    shots.match_scene(scene, record, first_frame=first_frame)
    source = shot.source()
    moved = build_take(parse_preset("orbit:12"), source, np.array([0.0, 0.0, 4.0]))
    camera = bpy.data.objects.new("Mover", bpy.data.cameras.new("Mover"))
    camera.parent = shot.root
    scene.collection.objects.link(camera)
    cameras.apply_trajectory(camera, moved, frames=list(shot.frames))
    scene.camera = camera
    version = Path(shot.folder) / "takes" / "v001"
    random = np.random.default_rng(5)
    taken = moved.for_frames(NUMBERS, moved.fps, "take")
    for number in NUMBERS:
        write_png(version / "result" / f"result.{number}.png", random.integers(0, 256, (32, 48, 3)).astype(np.uint8))
    write_json(version / "trajectory.json", taken)
    take = {
        "frames": [{"frame": number, "generated": 0.5} for number in NUMBERS],
        "fill": {"name": "preview", "label": "Preview", "seed": None},
        "generated_mean": 0.5,
        "trajectory": "trajectory.json",
    }
    (version / "take.json").write_text(json.dumps(take))
    seen = np.zeros((16, 23), np.uint8)
    seen[:-1, 12:] = 255
    for number in shot.numbers:
        valid = read(frame_files(record, number)[1])[..., 0]
        told = np.where((valid > 0) & (number in NUMBERS), seen, 0).astype(np.uint8)
        write_png(version / "projection" / "seen" / f"{number:06d}.png", told)
    return Placed(shot, version, camera, seen)


def taken_picture(placed: Placed, number: int) -> np.ndarray:
    return read(placed.folder / "result" / f"result.{number}.png")[..., :3]


@pytest.mark.parametrize("first_frame", [None, 41])
def test_from_its_own_camera_it_is_the_take(scene: bpy.types.Scene, tmp_path: Path, first_frame: int | None) -> None:
    placed = place(scene, tmp_path, first_frame=first_frame)
    placed.project()
    for number in NUMBERS:
        scene.frame_set(placed.shot.frame_of(number))
        shown = render(scene, tmp_path / "out.png")
        solid = shown[..., 3] == 255
        assert 150 < solid.sum() < 0.7 * solid.size
        apart = np.abs(shown[..., :3] - taken_picture(placed, number)).max(-1)[solid]
        # Noise: a tenth of a pixel beside it would be 10 codes away.
        assert np.percentile(apart, 99) <= 2
    # Frames that the take has not are holes.
    scene.frame_set(placed.shot.frame_of(1001))
    assert render(scene, tmp_path / "out.png")[..., 3].max() == 0


def test_what_the_take_has_not_seen_is_a_hole(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = place(scene, tmp_path)
    placed.project()
    scene.camera = placed.shot.source_camera
    scene.frame_set(placed.shot.frame_of(1003))
    alpha = render(scene, tmp_path / "out.png")[..., 3]
    valid = read(placed.folder / "projection" / "seen" / "001003.png")[..., 0] > 0
    # Two pixels a quad and a vertex at their middle; slits are not closed by what nobody has seen.
    assert alpha[:, :24].max() == 0
    expected = valid[:-1].repeat(2, axis=0).repeat(2, axis=1)
    assert (alpha[1:31, 1:47][expected] == 255).mean() > 0.9
    assert (alpha[1:31, 1:47][~expected] == 0).mean() > 0.9
    # Viewports too, which show holes by a material of their own.
    scene.frame_set(placed.shot.frame_of(1003))
    shown = placed.mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    torn = np.empty(len(shown.polygons), np.int32)
    shown.attributes["material_index"].data.foreach_get("value", torn)
    assert np.array_equal(torn[: 23 * 15].reshape(15, 23) == 0, valid[:-1])


def test_the_plate_comes_back_whole(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = place(scene, tmp_path)
    scene.camera = placed.shot.source_camera
    scene.frame_set(placed.shot.frame_of(1003))
    before = render(scene, tmp_path / "before.png")
    counts = {name: len(getattr(bpy.data, name)) for name in ("images", "objects", "meshes", "materials")}
    assert projection.shown(placed.mesh) is None
    placed.project()
    placed.project()
    assert projection.shown(placed.mesh) == "Take 01 v001"
    placed.show_plate()
    assert projection.shown(placed.mesh) is None
    bpy.data.orphans_purge()
    after = {name: len(getattr(bpy.data, name)) for name in counts}
    # «before.png» and «out.png» are the tests' own.
    assert after == counts
    assert np.abs(render(scene, tmp_path / "after.png") - before).max() <= 1
    given = closing.inputs_of(placed.mesh)
    assert given is not None
    assert given["Close Slits"]
    assert given["Validity"] == material.validity_image(placed.surface)


def test_it_is_in_the_file(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = place(scene, tmp_path)
    placed.project()
    scene.frame_set(placed.shot.frame_of(1004))
    before = render(scene, tmp_path / "before.png")
    # The take's camera may go on being used; the projection stays where it was.
    placed.camera.animation_data_clear()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    opened = bpy.context.scene
    found = shots.find_shot(opened)
    assert found is not None
    assert projection.shown(found.mesh) == "Take 01 v001"
    camera = bpy.data.objects["Mover"]
    camera.parent = found.root
    moved = build_take(parse_preset("orbit:12"), found.source(), np.array([0.0, 0.0, 4.0]))
    cameras.apply_trajectory(camera, moved, frames=list(found.frames))
    opened.frame_set(found.frame_of(1004))
    assert np.array_equal(render(opened, tmp_path / "after.png"), before)


def test_switches_and_heat_maps_work_on_it(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = place(scene, tmp_path)
    placed.project()
    mesh_switches.set_relight(placed.mesh, 0.5)
    mesh_switches.set_relight(placed.mesh, None)
    heat_maps.show(placed.mesh, "COVERAGE", Path(placed.shot.record["viewport"]))
    heat_maps.hide(placed.mesh)
    closing.attach(
        placed.mesh, placed.viewport, placed.shot.source_camera, first_frame=placed.shot.first_frame, pivot=3.0
    )
    given = closing.inputs_of(placed.mesh)
    assert given is not None
    assert not given["Close Slits"]
    scene.frame_set(placed.shot.frame_of(1003))
    shown = render(scene, tmp_path / "out.png")
    solid = shown[..., 3] == 255
    apart = np.abs(shown[..., :3] - taken_picture(placed, 1003)).max(-1)[solid]
    assert np.percentile(apart, 99) <= 2


def test_a_renewed_or_relinked_mesh_shows_the_plate(scene: bpy.types.Scene, tmp_path: Path) -> None:
    placed = place(scene, tmp_path)
    tables = len(bpy.data.meshes)
    placed.project()
    shots.relink(placed.mesh, Path(placed.shot.record["viewport"]))
    assert projection.shown(placed.mesh) is None
    placed.project()
    renewed = shots.import_shot(scene, placed.shot.record)
    assert projection.shown(renewed.mesh) is None
    assert len(bpy.data.meshes) == tables
    names = {image.name for image in bpy.data.images}
    assert not any("Take 01" in name for name in names)
    node: Any = node_tree(next(iter(mesh_data(renewed.mesh).materials))).nodes[material.COLOR_NODE]
    assert "frames" in node.image.filepath


@pytest.mark.parametrize("gone", ["result/result.1003.png", "projection/seen/001005.png", "trajectory.json"])
def test_where_files_are_missing_nothing_changes(scene: bpy.types.Scene, tmp_path: Path, gone: str) -> None:
    placed = place(scene, tmp_path)
    (placed.folder / gone).unlink()
    images = len(bpy.data.images)
    with pytest.raises(BadInputError):
        placed.project()
    assert projection.shown(placed.mesh) is None
    assert len(bpy.data.images) == images


def test_a_take_is_projected_and_the_plate_comes_back(shot: Any, tmp_path: Path, backend_python: str) -> None:
    bpy.ops.ex4d.match_scene()
    bpy.ops.ex4d.add_take_camera(move="orbit:8")
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.ex4d.project_take()
    bpy.ops.ex4d.generate()
    assert bpy.ops.ex4d.project_take() == {"FINISHED"}
    found, version = shots.find_shot(shot), shot.ex4d.takes[0].versions[0]
    assert projection.shown(found.mesh) == "Take 01 v001"
    assert (Path(version.projection) / "depth" / "001001.exr").is_file()
    shot.camera = shot.ex4d.takes[0].camera
    shot.frame_set(found.frame_of(1004))
    shown = render(shot, tmp_path / "out.png")
    taken = read(Path(version.folder) / "result" / "result.1004.png")
    solid = shown[..., 3] == 255
    assert solid.mean() > 0.4
    # The mesh has a vertex for each third pixel: its outlines are coarse, what is inside them is exact.
    assert np.abs(shown[..., :3] - taken[..., :3]).max(-1)[solid].mean() < 1
    assert bpy.ops.ex4d.show_plate() == {"FINISHED"}
    assert projection.shown(found.mesh) is None
