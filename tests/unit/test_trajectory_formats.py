# SPDX-License-Identifier: Apache-2.0
import io
import json
import os
import pkgutil
import tracemalloc
import zipfile
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ex4d.camera import (
    Trajectory,
    build_take,
    formats,
    intrinsics,
    names_file,
    parse_preset,
    read_trajectory,
    static_trajectory,
    write_json,
    write_released_npz,
    write_transforms_json,
)
from ex4d.protocol.errors import BadInputError

SOURCE = static_trajectory(intrinsics(500, 640, 360), 640, 360, 7).numbered(range(1001, 1008), Fraction(24000, 1001))


def example(move="orbit:70,elevation=10"):
    return build_take(parse_preset(move), SOURCE, np.array([0.1, 0.2, 3.0]))


def test_own_json_keeps_everything(tmp_path):
    K = example("zoom_in:2").K + np.array([[0, 0, 3.25], [0, 2, -1], [0, 0, 0]])
    written = Trajectory(
        K,
        example().E,
        640,
        360,
        np.linspace(0.01, 0.02, 7),
        np.array([9.0] * 6 + [np.inf]),
        SOURCE.frame_numbers,
        SOURCE.fps,
    )
    write_json(tmp_path / "a.json", written)
    read = read_trajectory(tmp_path / "a.json")
    for name in ("K", "E", "near", "far"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert (read.width, read.height, read.frame_numbers, read.fps) == (640, 360, SOURCE.frame_numbers, SOURCE.fps)


def test_own_json_without_numbers_stays_without(tmp_path):
    write_json(tmp_path / "a.json", Trajectory(SOURCE.K, SOURCE.E, 640, 360))
    read = read_trajectory(tmp_path / "a.json")
    assert read.frame_numbers == ()
    assert read.fps is None


@pytest.mark.parametrize("move", ["orbit:70,elevation=10", "zoom_out:3"])
def test_transforms_json_round_trip(tmp_path, move):
    written = example(move)
    write_transforms_json(tmp_path / "transforms.json", written)
    read = read_trajectory(tmp_path / "transforms.json")
    np.testing.assert_allclose(read.K, written.K, atol=1e-12)
    np.testing.assert_allclose(read.E, written.E, atol=1e-12)
    assert (read.width, read.height) == (640, 360)
    assert read.frame_numbers == written.frame_numbers


def test_transforms_json_has_opengl_axes(tmp_path):
    write_transforms_json(tmp_path / "t.json", SOURCE)
    frame = json.loads((tmp_path / "t.json").read_text())["frames"][0]
    np.testing.assert_allclose(frame["transform_matrix"], np.diag([1, -1, -1, 1]))


def test_transforms_json_with_shared_angle_of_view(tmp_path):
    document = {
        "camera_angle_x": 2 * np.arctan(0.5),
        "w": 200,
        "h": 100,
        "frames": [{"file_path": "a.png", "transform_matrix": np.eye(4).tolist()}],
    }
    (tmp_path / "t.json").write_text(json.dumps(document))
    np.testing.assert_allclose(read_trajectory(tmp_path / "t.json").K[0], [[200, 0, 100], [0, 200, 50], [0, 0, 1]])


@pytest.mark.parametrize("move", ["60", "zoom_out:3"])
def test_released_npz_round_trip(tmp_path, move):
    written = example(move)
    write_released_npz(tmp_path / "camera_60.npz", written)
    read = read_trajectory(tmp_path / "camera_60.npz")
    np.testing.assert_allclose(read.E, written.E, atol=1e-6)
    np.testing.assert_allclose(read.K, written.K, rtol=1e-6)
    assert (read.width, read.height) == (640, 360)


def test_released_npz_is_laid_out_as_the_released_code_does(tmp_path):
    write_released_npz(tmp_path / "c.npz", example("60"))
    with np.load(tmp_path / "c.npz") as file:
        assert file["extrinsics"].dtype == np.float32
        assert file["intrinsics"].shape == (3, 3)
        np.testing.assert_allclose(file["extrinsics"][0], np.diag([1, -1, -1, 1]), atol=1e-6)
        assert np.linalg.det(file["extrinsics"][3]) == pytest.approx(1, abs=1e-5)


def test_released_npz_without_size_takes_it_from_the_principal_point(tmp_path):
    np.savez(tmp_path / "c.npz", extrinsics=np.diag([1.0, -1, -1, 1])[None], intrinsics=intrinsics(500, 512, 512))
    read = read_trajectory(tmp_path / "c.npz")
    assert (read.width, read.height) == (512, 512)


def frame(**changes):
    return {"frame": 1, "K": intrinsics(5, 4, 4).tolist(), "E": np.eye(4).tolist(), "near": 0.1, "far": None, **changes}


def own(**changes):
    return {
        "format": "ex4d-trajectory",
        "version": 1,
        "width": 4,
        "height": 4,
        "fps": None,
        "frames": [frame()],
        **changes,
    }


@pytest.mark.parametrize(
    "document",
    [
        own(version=2),
        own(frames=[]),
        own(frames=[3]),
        own(frames=[frame(K=[[1, 2], [3, 4]])]),
        own(frames=[frame(E="x")]),
        own(frames=[frame(near="x")]),
        own(width="wide"),
        own(fps="1/0"),
        {"frames": []},
        {"frames": [{"transform_matrix": np.eye(4).tolist()}], "w": 4, "h": 4},
        {"frames": [{"transform_matrix": np.eye(4).tolist()}], "fl_x": 5},
        {"frames": [{"transform_matrix": np.zeros((4, 4)).tolist()}], "fl_x": 5, "w": 4, "h": 4},
        {"frames": [{"transform_matrix": np.eye(4).tolist()}], "fl_x": 5, "w": 4, "h": 4, "k4": 0.1},
        own(lens={"model": "brown", "coefficients": {"k7": 0.1}}),
        own(lens=3),
        {"frames": [{"transform_matrix": np.eye(4).tolist(), "w": 4}, {"w": 5}], "fl_x": 5, "h": 4},
        {"something": "else"},
        [1, 2, 3],
    ],
)
def test_documents_that_are_no_trajectory(tmp_path, document):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BadInputError) as caught:
        read_trajectory(path)
    assert caught.value.hint


def test_missing_intrinsics_are_named(tmp_path):
    np.savez(tmp_path / "c.npz", extrinsics=np.eye(4)[None])
    with pytest.raises(BadInputError, match="no extrinsics and intrinsics"):
        read_trajectory(tmp_path / "c.npz")


def test_missing_file(tmp_path):
    with pytest.raises(BadInputError, match="no trajectory file"):
        read_trajectory(tmp_path / "none.json")


def test_pickles_are_never_loaded(tmp_path):
    np.savez(tmp_path / "c.npz", extrinsics=np.array([{"a": 1}], dtype=object), intrinsics=np.eye(3))
    with pytest.raises(BadInputError):
        read_trajectory(tmp_path / "c.npz")


def nerfstudio(names, **changes):
    """A transforms.json whose camera for the i-th name stands at x = i."""
    frames = []
    for index, name in enumerate(names):
        pose = np.diag([1.0, -1, -1, 1])
        pose[0, 3] = index
        frames.append({"transform_matrix": pose.tolist(), **({"file_path": name} if name else {})})
    return {"fl_x": 5, "w": 4, "h": 4, "frames": frames, **changes}


def read_document(tmp_path, document, name="t.json"):
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_trajectory(path)


@pytest.mark.parametrize(
    ("names", "numbers", "xs"),
    [
        (["a/f_0010.png", "a/f_0002.png", "a/f_0001.png"], (1, 2, 10), [2, 1, 0]),
        (["f_9.png", "f_10.png"], (9, 10), [0, 1]),
        (["f_0002_v2.png", "f_0001_v2.png"], (1, 2), [1, 0]),
        (["7.png"], (7,), [0]),
        (["f.0001.left.exr", "f.0000.left.exr"], (0, 1), [1, 0]),
        ([None, None], (), [0, 1]),
    ],
)
def test_transforms_are_ordered_by_the_number_in_the_name(tmp_path, names, numbers, xs):
    read = read_document(tmp_path, nerfstudio(names))
    assert read.frame_numbers == numbers
    np.testing.assert_allclose(read.centers()[:, 0], xs, atol=1e-12)
    assert read.notes == ()


@pytest.mark.parametrize(
    ("names", "xs"),
    [
        (["b.png", "a.png"], [1, 0]),
        (["IMG_2_100000.png", "IMG_1_235959.png"], [1, 0]),
        (["2024/f_9.png", "2023/f_10.png"], [1, 0]),
    ],
)
def test_transforms_without_numbers_are_ordered_by_name_with_a_note(tmp_path, names, xs):
    read = read_document(tmp_path, nerfstudio(names))
    assert read.frame_numbers == ()
    np.testing.assert_allclose(read.centers()[:, 0], xs, atol=1e-12)
    assert "no frame numbers" in read.notes[0]


def test_angles_of_view_in_both_directions(tmp_path):
    angles = {"camera_angle_x": 2 * np.arctan(0.5), "camera_angle_y": 2 * np.arctan(0.25)}
    document = {**nerfstudio(["1.png"], w=200, h=100, **angles)}
    del document["fl_x"]
    np.testing.assert_allclose(read_document(tmp_path, document).K[0], [[200, 0, 100], [0, 200, 50], [0, 0, 1]])
    contradicting = read_document(tmp_path, {**document, "fl_x": 300})
    assert contradicting.K[0, 0, 0] == 300
    assert "contradict" in contradicting.notes[0]


def test_intrinsics_of_each_frame_go_with_it(tmp_path):
    document = nerfstudio(["2.png", "1.png"])
    document["frames"][0]["fl_x"], document["frames"][1]["fl_x"] = 20, 10
    assert read_document(tmp_path, document).K[:, 0, 0].tolist() == [10, 20]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"applied_transform": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]]}, "applied_transform"),
        ({"applied_scale": 0.3}, "applied_scale"),
    ],
)
def test_a_moved_world_is_noted(tmp_path, changes, word):
    assert word in read_document(tmp_path, nerfstudio(["1.png"], **changes)).notes[0]
    identity = {"applied_transform": np.eye(4).tolist(), "applied_scale": 1.0}
    assert read_document(tmp_path, nerfstudio(["1.png"], **identity)).notes == ()


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (nerfstudio(["a/1.png", "a/1.png"]), "2 cameras for 1"),
        (nerfstudio(["1.png", None]), "some frames only"),
        (nerfstudio(["1.png"], camera_model="FISHEYE624"), "FISHEYE624"),
        (nerfstudio(["1.png"], camera_model="x" * 9999), "not OpenCV's"),
        (nerfstudio(["1.png"], distortion_params=[0, 0, 0.2, 0]), "distortion_params"),
        (nerfstudio(["1.png"], w=4.5), "image size"),
        (nerfstudio(["1.png"], w=10**7), "image size"),
        (nerfstudio(["1.png"], applied_transform=3), "applied_transform"),
        (nerfstudio(["1.png"], fl_x="wide"), "focal"),
        (nerfstudio(["1.png"], cx=[]), "principal point"),
        (nerfstudio(["1.png"], camera_angle_x=4), "focal"),
        ({**nerfstudio(["1.png"]), "frames": [{"transform_matrix": [[[1]]]}]}, "transform_matrix"),
        (json.dumps(nerfstudio(["1.png"])).replace('"w": 4', '"w": 1e999'), "image size"),
        (json.dumps(nerfstudio(["1.png"])).replace('"fl_x": 5', f'"fl_x": {HUGE}'), "focal|finite"),
        (json.dumps(nerfstudio(["1.png"])).replace('"fl_x": 5', '"fl_x": NaN'), "not a trajectory"),
        ("[" * 100_000, "not a trajectory"),
        (own(numbered=True, frames=[frame(), frame()]), "2 cameras for frame 1"),
        (own(numbered=True, frames=[frame(frame=1.5)]), "whole frame number"),
        (own(numbered=True, frames=[frame(frame=True)]), "whole frame number"),
        (own(width=4.5), "image size"),
        (own(width=70000), "image size"),
        (own(version="9" * 500), "version"),
        (own(fps="1e99999999"), "lacks a number"),
        (own(fps=-24), "lacks a number"),
        (own(frames=[frame(near=3, far=2)]), "far clip"),
        (own(frames=[frame(near=1e-300)]), "no camera"),
        (own(frames=[frame(K=[[1e-9, 0, 2], [0, 5, 2], [0, 0, 1]])]), "no camera"),
        (own(frames=[frame(K=[[5, 0, 2], [0, 1e30, 2], [0, 0, 1]])]), "no camera"),
        (own(frames=[frame(K=[[5, 0, -1e30], [0, 5, 2], [0, 0, 1]])]), "no camera"),
        (own(frames=[frame(E=[[1, 0, 0, 1e16], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])]), "no camera"),
        (own(frames=[frame(E=np.diag([1.0, 1, -1, 1]).tolist())]), "rigid"),
        (own(frames=[frame(E=np.diag([2.0, 2, 2, 1]).tolist())]), "rigid"),
        (own(frames=[frame(K=[[5, 1, 2], [0, 5, 2], [0, 0, 1]])]), "pinhole"),
        (own(frames=[frame(K=[[-5, 0, 2], [0, 5, 2], [0, 0, 1]])]), "pinhole"),
        (json.dumps(own()).replace('"near": 0.1', f'"near": {HUGE}'), "lacks a number"),
        (json.dumps(own(frames=[frame(K="k")])).replace('"k"', f"[[{HUGE}, 0, 0], [0, 1, 0], [0, 0, 1]]"), "K that"),
    ],
)
def test_what_a_file_cannot_mean_is_refused(tmp_path, document, words):
    with pytest.raises(BadInputError, match=words) as caught:
        read_document(tmp_path, document)
    assert caught.value.hint
    assert len(str(caught.value)) < 400


def test_own_json_is_ordered_by_its_numbers(tmp_path):
    numbers = (3, 1, 2)
    write_json(tmp_path / "a.json", Trajectory(SOURCE.K[:3], example().E[:3], 640, 360, frame_numbers=numbers))
    read = read_trajectory(tmp_path / "a.json")
    assert read.frame_numbers == (1, 2, 3)
    np.testing.assert_array_equal(read.E, example().E[[1, 2, 0]])


@pytest.mark.parametrize(("numbers", "wanted"), [((1, 2, 3), (1001, 1002, 1003)), ((0, 1, 2), (1, 2, 3))])
def test_other_numbers_are_matched_in_order_with_a_note(numbers, wanted):
    trajectory = Trajectory(SOURCE.K[:3], example().E[:3], 640, 360, frame_numbers=numbers)
    matched = trajectory.for_frames(wanted, None, "cam.json")
    assert matched.frame_numbers == wanted
    np.testing.assert_array_equal(matched.E, trajectory.E)
    assert "matched in order" in matched.notes[0]


def test_cameras_of_some_frames_only_are_not_matched_in_order():
    """As many cameras as frames, but the plate begins two frames later."""
    trajectory = Trajectory(SOURCE.K[:3], example().E[:3], 640, 360, frame_numbers=(1001, 1002, 1003))
    with pytest.raises(BadInputError, match="no camera for frame 1004, 1005"):
        trajectory.for_frames((1003, 1004, 1005), None, "cam.json")


def test_what_is_a_file_is_told_by_the_text_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("180", "orbit:20", "camera"):
        (tmp_path / name).write_text("{}")
        assert not names_file(name)
    assert all(names_file(name) for name in ("a.json", "A.NPZ", "./180", "/x/camera", "x\\camera", "orbit:20.json"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system, which Windows has not")
@pytest.mark.parametrize("name", ["pipe.json", "zero.npz"])
def test_pipes_and_devices_are_no_trajectories(tmp_path, name):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    with pytest.raises(BadInputError, match="not a file"):
        read_trajectory(tmp_path / name)


def test_a_large_array_in_a_small_file_is_not_unpacked(tmp_path):
    """96 MiB of zeros, which deflate packs into 96 KiB."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (3 << 18, 4, 4)})
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("extrinsics.npy", "w") as file:
            file.write(header.getvalue())
            for _ in range(96):
                file.write(bytes(1 << 20))
        archive.writestr("intrinsics.npy", b"")
    tracemalloc.start()
    try:
        with pytest.raises(BadInputError, match="96 MiB"):
            read_trajectory(tmp_path / "c.npz")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


quiet = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quiet
@given(data=st.binary(max_size=400), head=st.sampled_from([b"", b"PK\x03\x04", b"{", b'{"frames": ']))
def test_any_bytes_give_an_error_with_a_hint(tmp_path, data, head):
    path = tmp_path / "any"
    path.write_bytes(head + data)
    with pytest.raises(BadInputError):
        read_trajectory(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def opens_or_explains(path):
    try:
        trajectory = read_trajectory(path)
    except BadInputError:
        return
    assert len(trajectory) >= 1


@quiet
@given(data=st.data())
def test_own_json_with_one_value_replaced(tmp_path, data):
    document = own(frames=[frame(), frame()], numbered=True)
    target = data.draw(st.sampled_from(["top", "frame"]))
    place = document if target == "top" else document["frames"][1]
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    path = tmp_path / "mutated.json"
    path.write_text(json.dumps(document))
    opens_or_explains(path)


@quiet
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_npz_with_one_byte_changed(tmp_path, position, value):
    path = tmp_path / "c.npz"
    write_released_npz(path, example("60"))
    data = bytearray(path.read_bytes())
    data[position % len(data)] = value
    path.write_bytes(bytes(data))
    opens_or_explains(path)


def test_every_module_of_a_format_is_registered() -> None:
    modules = {module.name for module in pkgutil.iter_modules(formats.__path__) if not module.name.startswith("_")}
    named = {import_module(f"{formats.__name__}.{name}").FORMAT for name in modules - {"base"}}
    assert set(formats.FORMATS) == named
    for known in formats.FORMATS:
        assert formats.names_file(f"camera{known.suffix}")
