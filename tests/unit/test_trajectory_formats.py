# SPDX-License-Identifier: Apache-2.0
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ex4d.camera import (
    Trajectory,
    build_take,
    intrinsics,
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
        {"frames": [{"transform_matrix": np.eye(4).tolist()}], "fl_x": 5, "w": 4, "h": 4, "k1": 0.1},
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
