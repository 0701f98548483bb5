# SPDX-License-Identifier: Apache-2.0
"""The files for other programs, parsed back by their formats' own rules."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import leftovers, make_depth, make_plate

from ex4d.camera import Trajectory, write_json
from ex4d.depth import create_depth_source
from ex4d.mesh import MeshSettings
from ex4d.mesh.export import write_npz, write_pc2, write_ply
from ex4d.protocol.errors import TransientError
from ex4d.protocol.requests import PlateRequest
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress, Silent

COUNT, WIDTH, HEIGHT = 3, 24, 16
MOVES = np.array([0.0, 0.25, 0.5])
WRITERS: dict[str, Callable[..., None]] = {"ply": write_ply, "pc2": write_pc2, "npz": write_npz}


def make(folder: Path, compat: str = "none") -> Reconstruction:
    """A square at z = 2 before a wall at z = 4, seen by a camera that moves to the right."""
    K = np.array([[20, 0, WIDTH / 2], [0, 20, HEIGHT / 2], [0, 0, 1.0]])
    E = np.tile(np.eye(4), (COUNT, 1, 1))
    E[:, 0, 3] = -MOVES
    camera = make_folder(folder) / "camera.json"
    write_json(camera, Trajectory(K, E, WIDTH, HEIGHT))
    source = create_depth_source(
        str(make_depth(folder / "depth.npz", COUNT, WIDTH, HEIGHT)), camera=None if compat == "ex4d" else camera
    )
    plate = make_plate(folder / "plate.mp4", COUNT, width=WIDTH, height=HEIGHT)
    settings = MeshSettings(compat=compat)
    return make_reconstruction(Shot(folder / "shot"), PlateRequest(str(plate)), DepthPlan(source), settings, Silent())


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return make(tmp_path_factory.mktemp("export"))


def written(shot: Reconstruction, path: Path) -> Path:
    WRITERS[path.suffix[1:]](path, shot.mesh, shot.frames, Silent())
    return path


PLY_TYPES = {"float": "<f4", "uchar": "u1", "int": "<i4"}


def parse_ply(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Vertices and faces as structured arrays, and the comments, by the header alone."""
    data = path.read_bytes()
    end = data.index(b"end_header\n") + len(b"end_header\n")
    lines = data[:end].decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    tables: list[tuple[int, list[Any]]] = []
    for line in lines[2:-1]:
        words = line.split()
        if words[0] == "element":
            tables.append((int(words[2]), []))
        elif words[:2] == ["property", "list"]:
            tables[-1][1].extend([("count", PLY_TYPES[words[2]]), (words[4], PLY_TYPES[words[3]], 3)])
        elif words[0] == "property":
            tables[-1][1].append((words[2], PLY_TYPES[words[1]]))
    offset, found = end, []
    for count, fields in tables:
        found.append(np.frombuffer(data, np.dtype(fields), count, offset))
        offset += found[-1].nbytes
    assert offset == len(data), "the file is longer than its header says"
    return found[0], found[1], [line for line in lines if line.startswith("comment")]


def test_ply(shot: Reconstruction, tmp_path: Path) -> None:
    vertices, _, comments = parse_ply(written(shot, tmp_path / "a.ply"))
    mesh = shot.mesh.read(0)
    ring = len(mesh.points) - WIDTH * HEIGHT
    assert vertices.dtype.names == ("x", "y", "z", "red", "green", "blue", "alpha", "s", "t")
    assert len(vertices) == len(mesh.points) > WIDTH * HEIGHT
    assert "frame 1001" in comments[0]
    assert "OpenCV axes" in comments[0]
    points = np.stack([vertices[axis] for axis in "xyz"], axis=-1)
    # The first vertices are the pixels, row by row: x = (column + 0.5 - cx) z / f.
    rows, columns = np.indices((HEIGHT, WIDTH)).reshape(2, -1)
    near = (rows >= HEIGHT // 3) & (rows < 2 * HEIGHT // 3) & (columns >= WIDTH // 3) & (columns < 2 * WIDTH // 3)
    z = np.where(near, 2, 4)
    expected = np.stack([(columns + 0.5 - WIDTH / 2) * z / 20, (rows + 0.5 - HEIGHT / 2) * z / 20, z], axis=-1)
    np.testing.assert_allclose(points[:-ring], expected, rtol=1e-6)
    assert (points[-ring:, 2] > 4).all()
    rgb = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=-1)
    np.testing.assert_array_equal(rgb[:-ring], shot.frames.read_8bit(1001).reshape(-1, 3))
    assert (vertices["alpha"][:-ring] == 255).all()
    assert (vertices["alpha"][-ring:] == 0).all()
    np.testing.assert_allclose(vertices["s"][:-ring], (columns + 0.5) / WIDTH, rtol=1e-5)
    np.testing.assert_allclose(vertices["t"][:-ring], 1 - (rows + 0.5) / HEIGHT, rtol=1e-5)


def test_ply_faces(shot: Reconstruction, tmp_path: Path) -> None:
    vertices, faces, _ = parse_ply(written(shot, tmp_path / "a.ply"))
    assert faces.dtype.names == ("count", "vertex_indices", "valid")
    assert (faces["count"] == 3).all()
    corners = faces["vertex_indices"]
    assert (corners.min(), corners.max()) == (0, len(vertices) - 1)
    # Closed: each edge is run along once in each direction.
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)
    np.testing.assert_array_equal(np.unique(edges, axis=0), np.unique(edges[:, ::-1], axis=0))
    assert set(np.unique(faces["valid"])) == {0, 1}
    z = vertices["z"][corners]
    jump = z.max(axis=1) > 1.5 * z.min(axis=1)
    assert jump.sum() > 0
    assert not faces["valid"][jump].any()
    grid = (corners < WIDTH * HEIGHT).all(axis=1)
    assert not faces["valid"][~grid].any()
    # All valid faces are flat, and these are all flat faces of the grid.
    flat = grid & (np.ptp(z, axis=1) == 0) & (np.arange(len(faces)) < 2 * (WIDTH - 1) * (HEIGHT - 1))
    np.testing.assert_array_equal(faces["valid"] == 1, flat)


def test_pc2(shot: Reconstruction, tmp_path: Path) -> None:
    data = written(shot, tmp_path / "a.pc2").read_bytes()
    magic, version, points, start, rate, samples = struct.unpack_from("<12siiffi", data)
    assert (magic, version) == (b"POINTCACHE2\0", 1)
    assert (points, start, rate, samples) == (len(shot.mesh.read(0).points), 1001, 1, COUNT)
    assert len(data) == 32 + 12 * points * samples
    cache = np.frombuffer(data, "<f4", offset=32).reshape(samples, points, 3)
    # The same points as in the PLY, and the camera carries them with it: the scene has no movement of its own.
    vertices, _, _ = parse_ply(written(shot, tmp_path / "a.ply"))
    np.testing.assert_array_equal(cache[0], np.stack([vertices[axis] for axis in "xyz"], axis=-1))
    shift = cache - cache[:1]
    np.testing.assert_allclose(shift[..., 0], np.broadcast_to(MOVES[:, None], shift.shape[:2]), atol=1e-6)
    np.testing.assert_array_equal(shift[..., 1:], 0)


def test_npz(shot: Reconstruction, tmp_path: Path) -> None:
    path = written(shot, tmp_path / "a.npz")
    mesh = shot.mesh.read(0)
    with np.load(path, allow_pickle=False) as arrays:
        per_frame = {f"{name}_{number}" for name in ("vertices", "face_valid") for number in (1001, 1002, 1003)}
        assert set(arrays) == {"faces", "uv", "numbers"} | per_frame
        np.testing.assert_array_equal(arrays["numbers"], [1001, 1002, 1003])
        np.testing.assert_array_equal(arrays["faces"], mesh.topology.faces)
        assert arrays["uv"].shape == (len(mesh.points), 2)
        for name, dtype in (("faces", "int32"), ("uv", "float32"), ("vertices_1001", "float32")):
            assert arrays[name].dtype == dtype
        _, faces, _ = parse_ply(written(shot, tmp_path / "a.ply"))
        np.testing.assert_array_equal(arrays["face_valid_1001"], faces["valid"] == 1)
        np.testing.assert_allclose(
            arrays["vertices_1003"] - arrays["vertices_1001"], [[0.5, 0, 0]] * len(mesh.points), atol=1e-6
        )


def test_npz_is_an_ordinary_zip_file(shot: Reconstruction, tmp_path: Path) -> None:
    with zipfile.ZipFile(written(shot, tmp_path / "a.npz")) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(set(archive.namelist())) == 9
        member = np.load(io.BytesIO(archive.read("vertices_1002.npy")), allow_pickle=False)
    assert member.flags.c_contiguous


def test_the_released_construction(tmp_path: Path) -> None:
    shot = make(tmp_path, compat="ex4d")
    vertices, faces, _ = parse_ply(written(shot, tmp_path / "a.ply"))
    mesh = shot.mesh.read(0)
    assert (len(vertices), len(faces)) == (len(mesh.points), len(mesh.topology.faces))
    assert mesh.vertex_alpha is not None
    inner = mesh.topology.grid_vertices
    np.testing.assert_array_equal(vertices["alpha"][:inner] == 255, mesh.vertex_alpha.reshape(-1)[:inner])
    header = struct.unpack_from("<12siiffi", written(shot, tmp_path / "a.pc2").read_bytes())
    assert (header[2], header[5]) == (len(vertices), COUNT)


@pytest.mark.parametrize("suffix", list(WRITERS))
def test_a_failed_export_keeps_the_old_file(shot: Reconstruction, tmp_path: Path, suffix: str) -> None:
    class Failing(Silent):
        def advance(self) -> None:
            raise KeyboardInterrupt

    def export(progress: Progress) -> None:
        WRITERS[suffix](tmp_path / f"a.{suffix}", shot.mesh, shot.frames, progress)

    path = tmp_path / f"a.{suffix}"
    path.write_text("old")
    if suffix != "ply":
        with pytest.raises(KeyboardInterrupt):
            export(Failing())
        assert path.read_text() == "old"
    with pytest.raises(TransientError, match=re.escape(f"no/a.{suffix} cannot be written")):
        WRITERS[suffix](tmp_path / "no" / f"a.{suffix}", shot.mesh, shot.frames, Silent())
    assert leftovers(tmp_path) == []
    export(Silent())
    assert path.stat().st_size > 1000
