# SPDX-License-Identifier: Apache-2.0
"""Paths that a take makes of the source camera's own: stabilised, levelled, locked."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from solve_scenes import track_scene

from ex4d.camera import Trajectory, build_take, intrinsics, parse_preset
from ex4d.camera.source_path import levelled, rotation_vectors, rotations, smoothed, upward
from ex4d.camera.transforms import invert_rigid, rigid, rotation_x, rotation_y
from ex4d.protocol.errors import UsageError
from ex4d.solve import SolveOptions
from ex4d.solve.solve import solve_tracks

COUNT = 41
NUMBERS = tuple(range(1001, 1001 + COUNT))
PIVOT = np.array([0.0, 0.0, 3.0])
#: Of the world against the cameras: no test may count on the world's own axes.
WORLD = rotations(np.array([[0.4, -1.1, 0.7]]))[0]


def roll(angle: float) -> np.ndarray:
    return rotations(np.array([[0.0, 0.0, angle]]))[0]


def hand_held(*, pan: float = 0.8, tremble: float = 0.02, roll_by: float = 0.0) -> Trajectory:
    """A pan that goes forward, held by hand, in a world that lies askew."""
    rng = np.random.default_rng(4)
    poses, K = [], []
    for share in np.linspace(0, 1, COUNT):
        yaw, tilt, about = rng.normal(0, tremble, 3)
        turn = rotation_y(pan * (share - 0.5) + yaw) @ rotation_x(-0.2 + tilt) @ roll(roll_by + about)
        place = np.array([0.3 * share, 0.0, share]) + rng.normal(0, tremble, 3)
        poses.append(rigid(WORLD, np.zeros(3)) @ rigid(turn, place))
        K.append(intrinsics(300 * (1 + 0.3 * share + rng.normal(0, tremble)), 640, 360))
    return Trajectory(np.stack(K), invert_rigid(np.stack(poses)), 640, 360, frame_numbers=NUMBERS, fps=Fraction(25))


def take(text: str, source: Trajectory, **options: object) -> Trajectory:
    return build_take(parse_preset(text), source, PIVOT, **options)  # type: ignore[arg-type]


def roughness(values: np.ndarray) -> float:
    return float(np.abs(np.diff(values, 2, axis=0)).max())


def test_rotation_vectors_are_the_inverse_of_rotations() -> None:
    vectors = np.array([[0, 0, 0], [1e-9, 0, 0], [0.3, -0.2, 0.1], [0, 3.1, 0], [-1.2, 1.9, 0.8]])
    matrices = rotations(vectors)
    np.testing.assert_allclose(
        matrices @ np.swapaxes(matrices, 1, 2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(rotation_vectors(matrices), vectors, atol=1e-9)
    np.testing.assert_allclose(rotations(np.array([[0, 0.7, 0]]))[0], rotation_y(0.7), atol=1e-12)


def test_smoothing_keeps_a_sine_but_for_its_gain() -> None:
    """The sines that begin and end at 0 are what a Gaussian only makes smaller, by its own transform."""
    x = np.linspace(0, np.pi, COUNT)
    for periods, sigma in ((1, 2.0), (3, 2.0), (5, 4.0)):
        wave = np.sin(periods * x)[:, None]
        gain = np.exp(-0.5 * (sigma * periods * np.pi / (COUNT - 1)) ** 2)
        np.testing.assert_allclose(smoothed(wave, sigma), gain * wave, atol=1e-12)
    line = np.column_stack([2 + 3 * x, -x])
    np.testing.assert_allclose(smoothed(line, 7.0), line, atol=1e-12)


@pytest.mark.parametrize("amount", ["0.1", "0.5", "0.9", "1", "0.3s", "5s"])
def test_a_stabilised_path_keeps_its_ends(amount: str) -> None:
    source = hand_held()
    steady = take(f"stabilise:{amount}", source)
    for end in (0, -1):
        np.testing.assert_allclose(steady.E[end], source.E[end], atol=1e-9)
        np.testing.assert_allclose(steady.K[end], source.K[end], atol=1e-9)
    ends = source.centers()[[0, -1]].mean(axis=0)
    np.testing.assert_allclose(steady.centers()[[0, -1]].mean(axis=0), ends, atol=1e-9)
    assert roughness(steady.centers()) < roughness(source.centers())
    assert roughness(steady.E[:, :3, :3]) < roughness(source.E[:, :3, :3])
    assert roughness(steady.K[:, 0]) < roughness(source.K[:, 0])


def test_no_amount_changes_nothing_and_the_whole_amount_leaves_a_straight_way() -> None:
    source = hand_held()
    none, whole = take("stabilise:0", source), take("stabilise:1", source)
    np.testing.assert_allclose(none.E, source.E, atol=1e-9)
    np.testing.assert_allclose(none.K, source.K, atol=1e-9)
    assert roughness(whole.centers()) < 1e-9
    steps = whole.E[1:, :3, :3] @ np.swapaxes(whole.E[:-1, :3, :3], 1, 2)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-9)


def test_more_is_smoother() -> None:
    source = hand_held()
    rough = [roughness(take(f"stabilise:{amount}", source).centers()) for amount in (0, 0.2, 0.5, 0.9)]
    assert rough == sorted(rough, reverse=True)
    assert rough[-1] < 0.05 * rough[0]


def test_seconds_are_frames_at_the_plates_rate() -> None:
    source = hand_held()
    expected = smoothed(source.centers(), 0.2 * 25)
    np.testing.assert_allclose(take("stabilise:0.2s", source).centers(), expected, atol=1e-9)


@pytest.mark.parametrize("pan", [0.8, 0.0], ids=["pans", "hardly turns"])
def test_levelling_puts_the_horizon_level(pan: float) -> None:
    source = hand_held(pan=pan)
    steady = take("stabilise:0.5,level", source)
    up = upward(source.E)
    assert np.abs(steady.E[:, 0, :3] @ up).max() < 1e-6
    # Only turned about its own axis, and not on its head.
    unlevelled = take("stabilise:0.5", source)
    np.testing.assert_allclose(steady.E[:, 2, :3], unlevelled.E[:, 2, :3], atol=1e-9)
    np.testing.assert_allclose(steady.centers(), unlevelled.centers(), atol=1e-9)
    assert (steady.E[:, 1, :3] @ up < 0).all()


def test_the_true_horizon_is_found_where_the_camera_pans() -> None:
    steady = hand_held(tremble=0.0)
    np.testing.assert_allclose(upward(steady.E), WORLD @ [0, -1, 0], atol=1e-9)
    # A camera that is held askew and does not pan cannot know: it takes its picture's way up.
    askew = hand_held(pan=0.0, tremble=0.0, roll_by=0.1)
    assert upward(askew.E) @ (WORLD @ [0, -1, 0]) == pytest.approx(np.cos(0.1) * np.cos(0.2), abs=1e-6)


def test_a_camera_that_looks_straight_down_is_left() -> None:
    down = invert_rigid(np.stack([rigid(rotation_x(-np.pi / 2), np.zeros(3)), rigid(rotation_x(0.3), np.zeros(3))]))
    kept = levelled(down, np.array([0.0, -1.0, 0.0]))
    np.testing.assert_allclose(kept, down, atol=1e-9)


@pytest.mark.parametrize(("text", "index"), [("lock", 0), ("lock:1012", 11), ("match:1041", 40)])
def test_lock_holds_one_camera(text: str, index: int) -> None:
    source = hand_held()
    still = take(text, source)
    assert np.array_equal(still.E, np.broadcast_to(still.E[0], still.E.shape))
    assert np.array_equal(still.K, np.broadcast_to(source.K[index], still.K.shape))
    np.testing.assert_allclose(still.E[0], source.E[index], atol=1e-12)
    assert still.frame_numbers == NUMBERS


def test_lock_without_a_frame_holds_the_first_that_is_no_handle() -> None:
    source = hand_held()
    np.testing.assert_allclose(take("lock", source, handles=(3, 2)).E[0], source.E[3], atol=1e-12)


@pytest.mark.parametrize("text", ["stabilise:0.5", "stabilise:0.2s"])
def test_handles_change_no_frame_of_a_stabilised_path(text: str) -> None:
    source = hand_held()
    inner = replace(source, E=source.E[3:-2], K=source.K[3:-2], near=source.near[3:-2], far=source.far[3:-2],
                    frame_numbers=NUMBERS[3:-2])  # fmt: skip
    whole = take(text, source, handles=(3, 2))
    np.testing.assert_allclose(whole.E[3:-2], take(text, inner).E, atol=1e-12)
    np.testing.assert_allclose(whole.E[:3], source.E[:3], atol=1e-12)


def test_moves_ride_on_a_path() -> None:
    source = hand_held()
    locked = take("lock:1012+orbit:30", source)
    alone = build_take(
        parse_preset("orbit:30"), replace(source, E=source.E[[11] * COUNT], K=source.K[[11] * COUNT]), PIVOT
    )
    np.testing.assert_allclose(locked.E, alone.E, atol=1e-12)
    steady = take("stabilise:0.5,level+zoom_out:2..2", source)
    np.testing.assert_allclose(steady.E, take("stabilise:0.5,level", source).E, atol=1e-12)
    np.testing.assert_allclose(steady.K[:, 0, 0], take("stabilise:0.5", source).K[:, 0, 0] / 2)


@pytest.mark.parametrize(
    "text",
    ["match", "stabilise:1.5", "stabilise:-1", "stabilise:x", "stabilise:0.5,horizon", "stabilise:9999s", "lock:x",
     "lock:1.5", "lock+lock", "lock+spin", "lock,level", "stabilise:0.5+"],
)  # fmt: skip
def test_what_is_not_understood_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError):
        parse_preset(text)


def test_paths_that_the_plate_does_not_have() -> None:
    source = hand_held()
    with pytest.raises(UsageError, match="no frame 7"):
        take("lock:7", source)
    with pytest.raises(UsageError, match="first frame besides"):
        take("lock", source, follow=False)
    with pytest.raises(UsageError, match="turns too far"):
        take("stabilise", hand_held(pan=9.0))


@pytest.fixture(scope="module")
def solved() -> Trajectory:
    """A path as the solve finds it, with the errors that it leaves."""
    scene = track_scene("slides", noise=0.2)
    found = solve_tracks(scene.picture, scene.followed, SolveOptions(), lambda: None)
    assert found.kind == "moves"
    return found.camera


def jerks(camera: Trajectory) -> tuple[float, float]:
    """Root mean square of how places and directions change their speed from frame to frame."""
    poses = invert_rigid(camera.E)
    turns = rotation_vectors(np.swapaxes(poses[:-1, :3, :3], 1, 2) @ poses[1:, :3, :3])
    return float(np.sqrt((np.diff(poses[:, :3, 3], 2, axis=0) ** 2).mean())), float(
        np.sqrt((np.diff(turns, axis=0) ** 2).mean())
    )


@pytest.mark.parametrize(
    "text",
    ["stabilise:0.1", "stabilise", "stabilise:0.9", "stabilise:1", "stabilise:0.2s", "stabilise,level", "lock",
     "match:1005"],
)  # fmt: skip
def test_no_path_of_a_solved_camera_jitters_more_than_the_solve(text: str, solved: Trajectory) -> None:
    place, turn = jerks(take(text, solved))
    own_place, own_turn = jerks(solved)
    assert place <= own_place
    assert turn <= 1.001 * own_turn
    if text != "stabilise:0.1":
        assert place < 0.6 * own_place


def test_a_move_on_a_locked_camera_is_the_move_of_a_still_one(solved: Trajectory) -> None:
    """The third frame's camera, about which the take turns as if nothing else had ever moved."""
    still = replace(solved, E=solved.E[[2] * len(solved)], K=solved.K[[2] * len(solved)])
    number = solved.frame_numbers[2]
    for path in ("lock", "match"):
        ours = take(f"{path}:{number}+orbit:30", solved)
        np.testing.assert_allclose(ours.E, take("orbit:30", still).E, atol=1e-12)
        np.testing.assert_allclose(ours.K, still.K)


@pytest.mark.parametrize("text", ["lock", "match:1003", "stabilise:0.9", "lock+orbit:30"])
def test_a_path_of_a_still_camera_is_said_to_change_nothing(text: str) -> None:
    moving = hand_held()
    still = replace(moving, E=moving.E[[5] * COUNT], K=moving.K[[5] * COUNT])
    (note,) = take(text, still).notes
    assert "changes nothing" in note
    assert "--source-camera auto" in note
    assert take(text, moving).notes == ()
    assert take("orbit:30", still).notes == ()


def test_a_still_camera_s_horizon_can_be_levelled() -> None:
    moving = hand_held(roll_by=0.2)
    still = replace(moving, E=moving.E[[5] * COUNT], K=moving.K[[5] * COUNT])
    assert take("stabilise,level", still).notes == ()


@pytest.mark.parametrize("text", ["lock:1000", "match:1042", "lock:-5+orbit:30"])
def test_a_frame_outside_of_the_plate_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"1001-1041") as refused:
        take(text, hand_held())
    assert "Choose one of these frames" in str(refused.value.hint)
