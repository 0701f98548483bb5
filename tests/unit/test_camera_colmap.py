"""COLMAP models, text and binary, and Nuke's .chan: written, read again, and what they cannot mean."""

import math
import struct

import numpy as np
import pytest
from solve_scenes import track_scene

from ex4d.camera import Camera, Lens, Trajectory, read_trajectory
from ex4d.camera.formats import ColmapPoints, names_file, write_chan, write_colmap
from ex4d.camera.formats._colmap import quaternion_of, rotation_of
from ex4d.camera.transforms import CV_GL, invert_rigid, rigid, rotation_x, rotation_y
from ex4d.protocol.errors import BadInputError
from ex4d.solve.model import rotations


def trajectory(lens=None):
    camera = track_scene("walks", count=5, points=10).camera
    K = camera.K.copy()
    K[:, 0, 2] += 3
    K[3:, 0, 0] *= 1.1
    return Trajectory(K, camera.E, camera.width, camera.height, frame_numbers=(-2, -1, 0, 7, 8), lens=lens)


@pytest.mark.parametrize(
    "lens",
    [
        None,
        Lens("opencv", (-0.1, 0.02, 0.001, -0.002)),
        Lens("opencv", (-0.1, 0.02, 0.001, -0.002, 0.1, 0.2, 0.3, 0.4)),
    ],
)
def test_a_text_model_comes_back(tmp_path, lens):
    wanted = trajectory(lens)
    write_colmap(tmp_path, wanted)
    for path in (tmp_path, tmp_path / "images.txt"):
        found = read_trajectory(path)
        assert np.allclose(found.E, wanted.E, atol=1e-12)
        assert np.array_equal(found.K, wanted.K)
        assert (found.width, found.height) == (wanted.width, wanted.height)
        assert found.frame_numbers == wanted.frame_numbers
        assert found.lens == lens


def test_a_polynomial_lens_becomes_the_same_lens_of_opencv(tmp_path):
    wanted = trajectory(Lens("polynomial", (-0.1, 0.02, 0.003)))
    write_colmap(tmp_path, wanted)
    found = read_trajectory(tmp_path)
    points = np.random.default_rng(0).normal(0, 0.5, (20, 3)) + np.array([0, 0, 4])
    assert np.allclose(found[2].project(points)[0], wanted[2].project(points)[0], atol=1e-9)
    with pytest.raises(BadInputError, match="division"):
        write_colmap(tmp_path, trajectory(Lens("division", (0.1,))))


def test_points_and_their_sightings_are_written(tmp_path):
    frame, point = np.array([0, 0, 2], np.int32), np.array([1, 0, 1], np.int32)
    xy = np.array([[1.5, 2.5], [3.25, 4.5], [5.5, 6.5]])
    write_colmap(tmp_path, trajectory(), ColmapPoints(np.eye(3)[:2], np.array([0.1, 0.2]), frame, point, xy))
    lines = [line for line in (tmp_path / "images.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines[1] == "1.500 2.500 2 3.250 4.500 1"
    assert (lines[3], lines[5]) == ("", "5.500 6.500 2")
    points = [line for line in (tmp_path / "points3D.txt").read_text().splitlines() if not line.startswith("#")]
    assert points[1] == "2 0.0 1.0 0.0 128 128 128 0.2 1 0 3 0"
    # Frames without points do not hide those after them.
    assert len(read_trajectory(tmp_path)) == 5


def test_a_binary_model_is_read(tmp_path):
    wanted = trajectory(Lens("opencv", (-0.1, 0.02)))
    K = wanted.K[0]
    radial = (K[0, 0], K[0, 2], K[1, 2], -0.1, 0.02)
    (tmp_path / "cameras.bin").write_bytes(struct.pack("<QiiQQ5d", 1, 9, 3, wanted.width, wanted.height, *radial))
    data = struct.pack("<Q", 3)
    for index, number in enumerate((8, 7, 9)):
        E = wanted.E[index]
        data += struct.pack("<I7dI", index + 1, *quaternion_of(E[:3, :3]), *E[:3, 3], 9) + b"shot/f%d.png\0" % number
        data += struct.pack("<Q", index) + struct.pack("<ddq", 1.0, 2.0, -1) * index
    (tmp_path / "images.bin").write_bytes(data)
    found = read_trajectory(tmp_path)
    assert found.frame_numbers == (7, 8, 9)
    assert np.allclose(found.E, wanted.E[[1, 0, 2]], atol=1e-12)
    assert np.allclose(found.K, [[K[0, 0], 0, K[0, 2]], [0, K[0, 0], K[1, 2]], [0, 0, 1]])
    assert found.lens == wanted.lens
    for cut in (4, 40, len(data) - 3):
        (tmp_path / "images.bin").write_bytes(data[:cut])
        with pytest.raises(BadInputError):
            read_trajectory(tmp_path)
    (tmp_path / "cameras.bin").write_bytes(struct.pack("<QiiQQ8d", 1, 9, 5, 64, 48, *[1.0] * 8))
    (tmp_path / "images.bin").write_bytes(data)
    with pytest.raises(BadInputError, match="OPENCV_FISHEYE"):
        read_trajectory(tmp_path)


@pytest.mark.parametrize(
    ("cameras", "images", "word"),
    [
        ("1 PINHOLE 64 48 50 50 32 24", "# nothing\n", "no images"),
        ("1 PINHOLE 64 48 50 50 32 24", "1 1 0 0 0 0 0 0 2 a.png\n\n", "missing"),
        ("1 PINHOLE 64 48 50 50 32 24", "1 2 0 0 0 0 0 0 1 a.png\n\n", "quaternion"),
        ("1 PINHOLE 64 48 50 50 32 24", "1 1 0 0 x 0 0 0 1 a.png\n\n", "list of images"),
        ("1 THIN_PRISM_FISHEYE 64 48 50 50 32 24", "1 1 0 0 0 0 0 0 1 a.png\n\n", "THIN_PRISM"),
        ("1 PINHOLE 64 48 50 50 32", "1 1 0 0 0 0 0 0 1 a.png\n\n", "3 parameters"),
        (
            "1 PINHOLE 64 48 50 50 32 24\n2 PINHOLE 32 24 50 50 32 24",
            "1 1 0 0 0 0 0 0 1 a1.png\n\n2 1 0 0 0 0 0 0 2 a2.png\n\n",
            "size",
        ),
    ],
)
def test_models_that_mean_nothing_are_refused(tmp_path, cameras, images, word):
    (tmp_path / "cameras.txt").write_text(cameras)
    (tmp_path / "images.txt").write_text(images)
    with pytest.raises(BadInputError, match=word) as caught:
        read_trajectory(tmp_path)
    assert caught.value.hint


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(BadInputError):
        read_trajectory(tmp_path)


def test_quaternions_and_rotations():
    for rotation in rotations(np.random.default_rng(1).normal(0, 2, (40, 3))):
        assert np.allclose(rotation_of(None, quaternion_of(rotation)), rotation, atol=1e-12)


def test_a_chan_comes_back(tmp_path):
    camera = track_scene("walks", count=5, points=10).camera
    wanted = camera.numbered((3, 4, 5, 6, 7), None)
    write_chan(tmp_path / "a.chan", wanted)
    found = read_trajectory(tmp_path / "a.chan", (wanted.width, wanted.height))
    assert np.allclose(found.E, wanted.E, atol=1e-12)
    assert np.allclose(found.K, wanted.K, rtol=1e-12)
    assert found.frame_numbers == wanted.frame_numbers
    with pytest.raises(BadInputError, match="how large"):
        read_trajectory(tmp_path / "a.chan")


def test_a_chan_has_nukes_axes(tmp_path):
    # A camera two units up that looks down by 30 degrees after a turn to the left by 40: y up, ZXY.
    turn = rotation_y(math.radians(40)) @ rotation_x(math.radians(-30))
    E = invert_rigid(CV_GL @ rigid(turn, np.array([1.0, 2.0, 3.0])) @ CV_GL)
    write_chan(tmp_path / "a.chan", Trajectory(np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]]), E[None], 64, 48))
    number, *values = (tmp_path / "a.chan").read_text().split()
    assert number == "1"
    fov = math.degrees(2 * math.atan(24 / 50))
    assert np.allclose([float(value) for value in values], [1, 2, 3, -30, 40, 0, fov], atol=1e-9)


def test_what_a_chan_cannot_say_is_not_written(tmp_path):
    for bad in (trajectory(), track_scene("walks", count=3, points=5).camera):
        broken = Trajectory(bad.K, bad.E, bad.width, bad.height, lens=Lens("opencv", (0.1,)))
        with pytest.raises(BadInputError, match="chan"):
            write_chan(tmp_path / "a.chan", broken)


@pytest.mark.parametrize(
    "text", ["", "1 2 3", "1 0 0 0 0 0 0", "a b c d e f g h", "1 0 0 0 0 0 0 200", "1 0 0 0 0 0 nan 40"]
)
def test_damaged_chans_are_refused(tmp_path, text):
    (tmp_path / "a.chan").write_text(text)
    with pytest.raises(BadInputError):
        read_trajectory(tmp_path / "a.chan", (64, 48))


def test_their_names_are_those_of_files():
    assert all(map(names_file, ("a.chan", "images.txt", "images.bin")))
    assert isinstance(trajectory()[0], Camera)
