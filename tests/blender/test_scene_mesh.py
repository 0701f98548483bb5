# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh: valid, exact at each frame, honest about damaged files, fast."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import bpy
import numpy as np
import pytest
from ex4d_blender.scene import mesh, mesh_building, shot
from viewport_factory import large_shot, make_shot, seal_folder

from ex4d.protocol.errors import BadInputError


def points_of(data: bpy.types.Mesh) -> np.ndarray:
    out = np.empty(3 * len(data.vertices), np.float32)
    data.attributes["position"].data.foreach_get("vector", out)
    return out.reshape(-1, 3)


def saved_points(folder: Path, vertices: int) -> np.ndarray:
    raw = np.fromfile(folder / "mesh.pc2", "<f4", offset=32)
    return raw.reshape(-1, vertices, 3)


def test_mesh_is_valid_and_has_the_given_faces(tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    folder = Path(record["viewport"])
    viewport = mesh.read_viewport(folder)
    data = mesh_building.build_mesh(viewport, "Mesh")
    quads, triangles = np.load(folder / "quads.npy"), np.load(folder / "triangles.npy")
    faces = [frozenset(polygon.vertices) for polygon in data.polygons]
    assert faces == [frozenset(face) for face in [*quads.tolist(), *triangles.tolist()]]
    given = sorted(tuple(sorted(edge.vertices)) for edge in data.edges)
    loop_edges = [loop.edge_index for loop in data.loops]
    # Blender mends nothing in it.
    assert data.validate(verbose=True) is False
    assert [loop.edge_index for loop in data.loops] == loop_edges
    reference = bpy.data.meshes.new("Reference")
    reference.from_pydata(points_of(data).tolist(), [], [list(polygon.vertices) for polygon in data.polygons])
    assert given == sorted(tuple(sorted(edge.vertices)) for edge in reference.edges)
    assert [polygon.vertices[:] for polygon in data.polygons] == [polygon.vertices[:] for polygon in reference.polygons]
    # A closed surface: each edge has two faces.
    assert np.array_equal(np.bincount(loop_edges, minlength=len(data.edges)), np.full(len(data.edges), 2))
    assert not any(polygon.use_smooth for polygon in data.polygons)


def everything(data: bpy.types.Mesh) -> dict[str, bytes]:
    """All attributes of a mesh, to the bit."""
    found = {}
    for attribute in data.attributes:
        key = next(key for key in ("vector", "value") if hasattr(attribute.data[0], key))
        first = getattr(attribute.data[0], key)
        kind = {bool: bool, int: np.int32}.get(type(first), np.float32)
        width = len(first) if hasattr(first, "__len__") else 1
        values = np.empty(len(attribute.data) * width, kind)
        attribute.data.foreach_get(key, values)
        found[attribute.name] = values.tobytes()
    return found


def test_a_mesh_that_was_read_ahead_is_the_same_and_read_again_where_files_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(make_shot(tmp_path)["viewport"])
    viewport = mesh.read_viewport(folder)
    plain = everything(mesh_building.build_mesh(viewport, "Mesh"))
    assert len(plain) >= 7
    read: list[Path] = []
    reading = mesh_building.read_arrays

    def counted(asked: mesh.ViewportFolder) -> mesh_building.MeshArrays:
        read.append(asked.folder)
        return reading(asked)

    monkeypatch.setattr(mesh_building, "read_arrays", counted)
    thread = threading.Thread(target=mesh_building.read_ahead, args=(folder,))
    thread.start()
    thread.join()
    assert everything(mesh_building.build_mesh(viewport, "Mesh")) == plain
    assert len(read) == 1
    # It is taken once.
    assert everything(mesh_building.build_mesh(viewport, "Mesh")) == plain
    assert len(read) == 2
    mesh_building.read_ahead(folder)
    moved = np.load(folder / "uv.npy") + np.float32(0.25)
    np.save(folder / "uv.npy", moved)
    os.utime(folder / "uv.npy", ns=(1, 1))
    changed = everything(mesh_building.build_mesh(viewport, "Mesh"))
    assert {name for name in plain if plain[name] != changed[name]} == {mesh.PLATE_UV}
    (folder / "uv.npy").unlink()
    mesh_building.read_ahead(folder)
    with pytest.raises(BadInputError, match=r"uv\.npy is damaged: it is missing"):
        mesh_building.build_mesh(viewport, "Mesh")


def test_quads_are_split_as_the_backend_splits_them(tmp_path: Path) -> None:
    folder = Path(make_shot(tmp_path)["viewport"])
    data = mesh_building.build_mesh(mesh.read_viewport(folder), "Mesh")
    flat = data.copy()
    # In the plane, where no diagonal is better than the other.
    count = len(np.load(folder / "quads.npy"))
    uv = np.load(folder / "uv.npy")
    flat.attributes["position"].data.foreach_set("vector", np.c_[uv, np.zeros(len(uv), np.float32)].ravel())
    flat.calc_loop_triangles()
    pairs: dict[int, set[frozenset[int]]] = {}
    for triangle in flat.loop_triangles:
        pairs.setdefault(triangle.polygon_index, set()).add(frozenset(triangle.vertices))
    for index, (tl, bl, br, tr) in enumerate(np.load(folder / "quads.npy").tolist()):
        assert pairs[index] == {frozenset((tl, bl, tr)), frozenset((tr, bl, br))}
    assert count > 100


def test_texture_coordinates(tmp_path: Path) -> None:
    record = make_shot(tmp_path, grid=(7, 5), plate=(21, 15))
    folder = Path(record["viewport"])
    data = mesh_building.build_mesh(mesh.read_viewport(folder), "Mesh")
    uv = np.load(folder / "uv.npy")
    assert [layer.name for layer in data.uv_layers] == ["UVMap", "Validity"]
    assert data.uv_layers.active.name == "UVMap"
    for loop, item in zip(data.loops, data.uv_layers["UVMap"].data, strict=True):
        u, v = uv[loop.vertex_index]
        assert tuple(item.uv) == pytest.approx((u, 1 - v), abs=1e-6)
    layer = data.uv_layers["Validity"].data
    for polygon in data.polygons:
        texels = {(int(layer[i].uv.x * 6), int((1 - layer[i].uv.y) * 5)) for i in polygon.loop_indices}
        row, column = divmod(polygon.index, 6)
        if polygon.index < 24:
            assert texels == {(column, row)}
        else:
            assert {y for _, y in texels} == {4}


def test_each_frame_shows_its_own_points(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path, moving=True)
    folder = Path(record["viewport"])
    obj = mesh_building.build_mesh_object(folder, "Mesh", first_frame=31)
    scene.collection.objects.link(obj)
    saved = saved_points(folder, len(obj.data.vertices))
    # Before and after the range the ends hold.
    for frame, index in ((30, 0), (31, 0), (33, 2), (35, 4), (40, 4)):
        scene.frame_set(frame)
        shown = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
        assert np.array_equal(points_of(shown.data), saved[index])
    assert np.array_equal(points_of(obj.data), saved[0])
    scene.frame_set(32, subframe=0.5)
    shown = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert np.allclose(points_of(shown.data), (saved[1] + saved[2]) / 2, atol=1e-5)


def _edit(folder: Path, change: Callable[[dict], Any]) -> None:
    record = json.loads((folder / "viewport.json").read_text())
    change(record)
    (folder / "viewport.json").write_text(json.dumps(record))


def _set_entry(folder: Path, name: str, entry: int, value: int) -> None:
    values = np.load(folder / f"{name}.npy")
    values.flat[entry] = value
    np.save(folder / f"{name}.npy", values)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "no folder": shutil.rmtree,
    "no json": lambda folder: (folder / "viewport.json").write_text("{"),
    "json list": lambda folder: (folder / "viewport.json").write_text("[]"),
    "version": lambda folder: _edit(folder, lambda record: record.update(version=2)),
    "no grid": lambda folder: _edit(folder, lambda record: record.pop("grid")),
    "other grid": lambda folder: _edit(folder, lambda record: record.update(grid=[3, 3])),
    "gap": lambda folder: _edit(folder, lambda record: record["numbers"].append(2000)),
    "other numbers": lambda folder: _edit(folder, lambda record: record.update(numbers=[1, 2, 3, 4, 5])),
    "no cache": lambda folder: (folder / "mesh.pc2").unlink(),
    "cache cut short": lambda folder: os.truncate(folder / "mesh.pc2", (folder / "mesh.pc2").stat().st_size - 12),
    "other cache": lambda folder: (folder / "mesh.pc2").write_bytes(
        struct.pack("<12siiffi", b"POINTCACHE2\0", 1, 3, 1, 1, 1) + bytes(36)
    ),
    "no cache at all": lambda folder: (folder / "mesh.pc2").write_bytes(b"hello" * 100),
    "vertex outside": lambda folder: _set_entry(folder, "quads", 14, 10**6),
    "edge outside": lambda folder: _set_entry(folder, "loop_edges", 3, -1),
    "array cut short": lambda folder: os.truncate(folder / "uv.npy", 200),
    "array type": lambda folder: np.save(folder / "quads.npy", np.load(folder / "quads.npy").astype(np.int64)),
    "pickle": lambda folder: np.save(folder / "quads.npy", np.array([{}], object), allow_pickle=True),
    "picture": lambda folder: (folder / "valid" / "001003.png").unlink(),
}


@pytest.mark.parametrize("sealed_so", [False, True])
@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_folder_is_refused_and_leaves_nothing(
    scene: bpy.types.Scene, tmp_path: Path, what: str, sealed_so: bool
) -> None:
    record = make_shot(tmp_path)
    folder = Path(record["viewport"])
    DAMAGE[what](folder)
    if sealed_so and folder.exists():
        seal_folder(folder)
    with pytest.raises(BadInputError) as caught:
        shot.import_shot(scene, record)
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")
    for collection in (bpy.data.objects, bpy.data.meshes, bpy.data.materials, bpy.data.images, bpy.data.cameras):
        assert len(collection) == 0


SHOWN = [
    *(f"viewport-0123/{name}.npy" for name in ("quads", "triangles", "edges", "loop_edges", "uv")),
    *(f"viewport-0123/{name}" for name in ("viewport.json", "mesh.pc2", "valid/001003.png", "done.json")),
    *(f"plate-0123/{name}" for name in ("frames/001002.png", "done.json")),
]


@pytest.mark.parametrize("name", SHOWN)
def test_a_byte_changed_in_place_is_refused(scene: bpy.types.Scene, tmp_path: Path, name: str) -> None:
    record = make_shot(tmp_path)
    path = Path(record["shot"]) / "cache" / name
    data = bytearray(path.read_bytes())
    data[-9] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=name.rpartition("/")[2]) as caught:
        shot.import_shot(scene, record)
    assert "Reconstruct" in caught.value.hint
    assert len(bpy.data.meshes) == 0


def test_a_folder_sealed_with_sizes_only_is_shown(scene: bpy.types.Scene, tmp_path: Path) -> None:
    record = make_shot(tmp_path)
    for folder in (Path(record["viewport"]), Path(record["viewport"]).parent / "plate-0123"):
        seal_folder(folder, hashed=False)
    assert len(shot.import_shot(scene, record).mesh.data.vertices) > 0


def python_calls(work: Callable[[], object]) -> int:
    """How many functions are called from Python while `work` runs, built-in ones included."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_import_does_no_work_in_python_for_a_vertex(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """Blender is blocked while a shot is placed: what Python does must not grow with the mesh.

    Seconds are a row of docs/benchmarks.md.
    """
    counts = []
    for side in (32, 32, 512):
        record = large_shot(tmp_path / f"{len(counts)}", side, 49)

        def place(record: dict = record, side: int = side) -> None:
            placed = shot.import_shot(scene, record)
            shot.match_scene(scene, record)
            bpy.context.view_layer.update()
            assert len(placed.mesh.data.vertices) == side * side + 4 * (side - 1)

        counts.append(python_calls(place))
    # The first import also finds modules; 261,632 vertices more cost no call more, but for a few of numpy's.
    assert counts[2] < counts[1] + 2000
    assert counts[1] > 100


def test_memory_estimate(tmp_path: Path) -> None:
    record = make_shot(tmp_path, grid=(64, 48))
    folder = Path(record["viewport"])
    estimate = mesh.viewport_memory((64, 48), 5)
    validity = 5 * 63 * 47
    assert estimate.disk == (folder / "mesh.pc2").stat().st_size + validity
    # 50 MiB were measured in Blender 4.2, 4.5 and 5.0.
    assert mesh.viewport_memory((512, 512), 49).ram == pytest.approx(52e6, rel=0.1)
    assert mesh.viewport_memory((1024, 512), 49).ram == pytest.approx(
        2 * mesh.viewport_memory((512, 512), 49).ram, rel=0.01
    )
    assert mesh.viewport_memory((64, 48), 10).ram == estimate.ram
