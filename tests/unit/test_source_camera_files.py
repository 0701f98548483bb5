# SPDX-License-Identifier: Apache-2.0
"""Files of cameras that solve a plate's camera: each of them is taken as it is, whatever program wrote it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run, make_depth, make_plate, runner
from solve_scenes import track_scene

from ex4d.camera import Trajectory, intrinsics, read_trajectory, write_json
from ex4d.camera.formats import write_chan, write_colmap, write_released_npz
from ex4d.camera.formats._colmap import quaternion_of
from ex4d.camera.transforms import invert_rigid
from ex4d.jobs.reconstruct import depth_plan
from ex4d.plate import open_plate
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import DepthRequest, PlateRequest, ReconstructRequest
from ex4d.shot.folder import Shot

WIDTH, HEIGHT, COUNT = 96, 64, 5


def camera() -> Trajectory:
    """One that walks, of the plate's frames and size."""
    E = track_scene("walks", count=COUNT, points=10).camera.E
    K = np.tile(intrinsics(83.5, WIDTH, HEIGHT), (COUNT, 1, 1))
    return Trajectory(K, E, WIDTH, HEIGHT).numbered(tuple(range(1001, 1001 + COUNT)), None)


def c2w(of: Trajectory) -> np.ndarray:
    return invert_rigid(of.E)


def own(folder: Path, of: Trajectory) -> Path:
    write_json(folder / "camera.json", of)
    return folder / "camera.json"


def colmap(folder: Path, of: Trajectory) -> Path:
    write_colmap(folder, of)
    return folder


def colmap_binary(folder: Path, of: Trajectory) -> Path:
    K = of.K[0]
    focal = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    cameras = struct.pack("<QiiQQ4d", 1, 1, 1, WIDTH, HEIGHT, *focal)
    images = struct.pack("<Q", COUNT)
    for index, E in enumerate(of.E):
        pose = (*quaternion_of(E[:3, :3]), *E[:3, 3])
        name = f"{of.frame_numbers[index]:06d}.png".encode()
        images += struct.pack("<i7di", index + 1, *pose, 1) + name + b"\0" + struct.pack("<Q", 0)
    (folder / "cameras.bin").write_bytes(cameras)
    (folder / "images.bin").write_bytes(images)
    return folder / "images.bin"


def chan(folder: Path, of: Trajectory) -> Path:
    write_chan(folder / "camera.chan", of)
    return folder / "camera.chan"


def released(folder: Path, of: Trajectory) -> Path:
    write_released_npz(folder / "camera_30.npz", of)
    return folder / "camera_30.npz"


def vggt(folder: Path, of: Trajectory) -> Path:
    # Predictions of a whole clip, with maps whose size the intrinsics count on.
    np.savez(
        folder / "predictions.npz", extrinsic=of.E[:, :3], intrinsic=of.K, depth=np.ones((COUNT, HEIGHT, WIDTH, 1))
    )
    return folder / "predictions.npz"


def vista4d(folder: Path, of: Trajectory) -> Path:
    values = np.stack([of.K[:, 0, 0], of.K[:, 1, 1], of.K[:, 0, 2], of.K[:, 1, 2]], -1)
    np.savez(folder / "cameras.npz", cam_c2w=c2w(of), intrinsics=values)
    return folder / "cameras.npz"


def vipe(folder: Path, of: Trajectory, kind: str = "PINHOLE") -> Path:
    (folder / "pose").mkdir()
    (folder / "intrinsics").mkdir()
    inds = np.arange(COUNT)
    values = np.stack([of.K[:, 0, 0], of.K[:, 1, 1], of.K[:, 0, 2], of.K[:, 1, 2]], -1)
    np.savez(folder / "pose/clip.npz", data=c2w(of), inds=inds)
    np.savez(folder / "intrinsics/clip.npz", data=values, inds=inds)
    (folder / "intrinsics/clip_camera.txt").write_text("".join(f"{index}: {kind}\n" for index in inds))
    return folder / "pose/clip.npz"


Writer = Callable[[Path, Trajectory], Path]
#: With how near the cameras come back: our own format and COLMAP's to the bit or nearly so, EX-4D's has halves of it.
WRITERS: dict[Writer, float] = {
    own: 0,
    colmap: 1e-12,
    colmap_binary: 1e-12,
    chan: 1e-9,
    released: 1e-5,
    vggt: 1e-9,
    vista4d: 1e-9,
    vipe: 1e-9,
}


@pytest.mark.parametrize(("write", "tolerance"), WRITERS.items(), ids=[write.__name__ for write in WRITERS])
def test_each_is_what_the_solve_is_around(write: Writer, tolerance: float, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    plate, given = make_plate(tmp_path / "plate.mp4", COUNT), write(tmp_path / "in", camera())
    request = ReconstructRequest(
        str(tmp_path / "shot"), PlateRequest(str(plate)), DepthRequest("prior", camera=str(given)), viewport_side=None
    )
    plan, note = depth_plan(request, Shot(tmp_path / "shot")).of_plate(open_plate(plate).info)
    assert note is None
    assert plan.solve is not None
    found = plan.solve.given
    assert found is not None
    found = found.for_frames(camera().frame_numbers, None, "the camera")
    np.testing.assert_allclose(found.E, camera().E, atol=tolerance, rtol=0)
    np.testing.assert_allclose(found.K, camera().K, rtol=tolerance)
    assert (found.width, found.height) == (WIDTH, HEIGHT)


def test_a_chan_goes_with_depth_files_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run: Run = runner(capfd)
    plate, depth = make_plate(tmp_path / "plate.mp4", COUNT), make_depth(tmp_path / "d.npz", COUNT, WIDTH, HEIGHT)
    options = ["--depth", depth, "--source-camera", chan(tmp_path, camera()), "--out", tmp_path / "s", "--json"]
    assert run("recon", plate, *options).code == 0
    (path,) = (tmp_path / "s").glob("cache/depth-*/source_camera.json")
    np.testing.assert_allclose(read_trajectory(path).E, camera().E, atol=1e-9)


def save(path: Path, **arrays: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def test_networks_files_that_cannot_be_cameras(tmp_path: Path) -> None:
    E, K = camera().E, camera().K
    poses = np.arange(COUNT)
    with pytest.raises(BadInputError, match="no intrinsics beside it"):
        read_trajectory(save(tmp_path / "a/pose/clip.npz", data=E, inds=poses))
    with pytest.raises(BadInputError, match="has no intrinsics"):
        read_trajectory(save(tmp_path / "b.npz", cam_c2w=E))
    with pytest.raises(BadInputError, match="3 intrinsics for 5 poses"):
        read_trajectory(save(tmp_path / "c.npz", cam_c2w=E, intrinsics=K[:3]))
    with pytest.raises(BadInputError, match="that are no pixels"):
        read_trajectory(save(tmp_path / "d.npz", cam_c2w=E, intrinsics=K / 1000))
    with pytest.raises(BadInputError, match="no pinholes"):
        read_trajectory(vipe(tmp_path, camera(), "PANORAMA"))


def test_what_a_picture_in_the_file_says_of_the_size_goes_before_the_principal_point(tmp_path: Path) -> None:
    K = camera().K.copy()
    K[:, 0, 2] += 7
    arrays = {"w2c": camera().E, "intrinsics": K}
    assert read_trajectory(save(tmp_path / "a.npz", **arrays)).width == WIDTH + 14
    for shape in ((COUNT, 3, HEIGHT, WIDTH), (COUNT, HEIGHT, WIDTH, 3)):
        found = read_trajectory(save(tmp_path / "b.npz", **arrays, images=np.zeros(shape, np.uint8)))
        assert (found.width, found.height) == (WIDTH, HEIGHT)
        np.testing.assert_array_equal(found.K, K)
