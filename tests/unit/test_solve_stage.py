"""The stage: its files, a kill and going on, cameras that were given, and what is written and read again."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from solve_scenes import FIRST, RATE, room_pictures, track_scene

from ex4d.camera import Trajectory
from ex4d.evaluation.poses import camera_errors
from ex4d.media.frames import ArrayFrames
from ex4d.protocol.errors import BadInputError
from ex4d.solve import SolveOptions, read_solve, write_solve
from ex4d.solve.depth_order import DepthOrder
from ex4d.solve.solve import solve_camera, solve_tracks
from ex4d.solve.stage import SolveStage
from ex4d.stages import stage as stages
from ex4d.stages.cache import StageCache
from ex4d.system.progress import Progress, Silent


class KilledError(Exception):
    """Stands for a kill."""


@dataclass
class Dies(Progress):
    """Stops the work after so many steps."""

    after: int

    def __post_init__(self):
        super().__init__()
        self.steps = 0

    def advance(self):
        self.steps += 1
        if self.steps > self.after:
            raise KilledError
        super().advance()


@pytest.fixture(scope="module")
def plate():
    pictures, camera = room_pictures("slides")
    return ArrayFrames.of(pictures, RATE, tuple(range(FIRST, FIRST + len(pictures)))), camera


def test_pictures_of_a_room_give_its_camera(plate):
    frames, camera = plate
    found = solve_camera(frames, SolveOptions(fov_deg=40.0), Silent())
    assert found.kind == "moves"
    error = camera_errors(found.camera.E, camera.E)
    assert error.rotation_deg < 0.15
    assert error.translation < 0.01
    assert found.camera.frame_numbers == frames.numbers
    assert found.camera.fps == RATE


def test_a_killed_solve_goes_on_and_ends_alike(tmp_path, monkeypatch, plate):
    monkeypatch.setattr(stages, "PART_FRAMES", 3)
    longer, _ = plate
    numbers = longer.numbers[2:11]
    frames = ArrayFrames.of([longer.pictures[number] for number in numbers], RATE, numbers)
    whole = StageCache(tmp_path / "whole").ensure(SolveStage("plate", frames, SolveOptions()), Silent())
    cache = StageCache(tmp_path / "killed")
    with pytest.raises(KilledError):
        cache.ensure(SolveStage("plate", frames, SolveOptions()), Dies(7))
    reads = []

    class Counted(ArrayFrames):
        def read(self, number):
            reads.append(number)
            return super().read(number)

    counted = Counted(**vars(frames))
    again = cache.ensure(SolveStage("plate", counted, SolveOptions()), Silent())
    # Two parts were done; of them only pictures that points are still held to are read again. At the end each is read
    # once more for each kind of camera that the tracks are measured with.
    assert set(reads) <= set(frames.numbers)
    assert len(reads) < 3 * len(frames) + 8 - 2 * stages.PART_FRAMES
    first, second = read_solve(whole), read_solve(again)
    assert np.array_equal(first.camera.E, second.camera.E)
    assert np.array_equal(first.points.xyz, second.points.xyz)
    assert np.array_equal(first.tracks.xy, second.tracks.xy)


def test_the_key_knows_all_that_changes_the_solve(plate):
    frames, camera = plate
    options = SolveOptions()
    changed = [
        replace(options, source_camera="turns"),
        replace(options, fov_deg=60.0),
        replace(options, fov_known=True),
        replace(options, given=camera),
        replace(options, given=replace(camera, E=camera.E[::-1])),
    ]
    keys = {SolveStage("plate", frames, one).key() for one in [options, *changed]}
    keys.add(SolveStage("other", frames, options).key())
    assert len(keys) == len(changed) + 2
    assert SolveStage("plate", frames, SolveOptions()).key() in keys


@pytest.mark.parametrize(
    ("options", "may_decide"),
    [
        ({}, True),
        ({"source_camera": "moves"}, True),
        ({"source_camera": "turns"}, False),
        ({"source_camera": "still"}, False),
        ({"given": True}, False),
    ],
)
def test_the_key_knows_the_weights_that_may_decide_the_order_of_depth(plate, options, may_decide):
    frames, camera = plate
    asked = SolveOptions(**options | ({"given": camera} if "given" in options else {}))

    def key(order):
        return SolveStage("plate", frames, asked, order).key()

    first, second = (DepthOrder(lambda index: np.zeros((4, 4), np.float32), weights) for weights in "ab")
    assert (key(first) != key(second)) == may_decide
    assert (key(first) != key(None)) == may_decide


def test_a_solve_is_read_as_it_was_written(tmp_path):
    scene = track_scene("slides", count=9, movers=0.2)
    wanted = solve_tracks(scene.picture, scene.followed, SolveOptions(), lambda: None)
    names = write_solve(tmp_path, wanted)
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    found = read_solve(tmp_path)
    for name in ("kind", "lens", "interpolated", "given", "cuts", "repeats", "numbers", "refused", "notes"):
        assert getattr(found, name) == getattr(wanted, name)
    assert np.array_equal(found.camera.E, wanted.camera.E)
    assert np.array_equal(found.camera.K, wanted.camera.K)
    for name, values in vars(wanted.points).items():
        assert np.array_equal(getattr(found.points, name), values)
    assert np.array_equal(found.moving, wanted.moving)
    assert np.allclose(found.tracks.xy, wanted.tracks.xy, atol=1e-4)
    (tmp_path / "solve.json").write_text('{"format": "ex4d-solve", "version": 2}')
    with pytest.raises(BadInputError, match="version"):
        read_solve(tmp_path)


def test_the_mask_is_where_things_move(tmp_path):
    scene = track_scene("stands", movers=0.5)
    # What moves is on the left here.
    found = solve_tracks(scene.picture, scene.followed, SolveOptions(), lambda: None)
    mask = found.moving_mask(0)
    assert mask.shape == (192, 256)
    part = scene.tracks.in_frame(0)
    column, row = scene.tracks.xy[part].astype(int).T
    moving, covered = found.moving[scene.tracks.track[part]], mask[row, column]
    assert covered[moving].mean() > 0.6
    assert covered[~moving].mean() < 0.15


def given_scene():
    scene = track_scene("slides", count=13)
    return scene, scene.camera


def test_given_cameras_stay_to_the_bit_and_the_others_are_of_their_world():
    scene, camera = given_scene()
    chosen = [0, 3, 4, 9]
    world = Trajectory(
        camera.K[chosen], camera.E[chosen], camera.width, camera.height,
        frame_numbers=tuple(FIRST + index for index in chosen),
    )  # fmt: skip
    found = solve_tracks(scene.picture, scene.followed, SolveOptions(given=world), lambda: None)
    assert found.given == world.frame_numbers
    assert np.array_equal(found.camera.E[chosen], world.E)
    assert np.array_equal(found.camera.K[chosen], world.K)
    assert found.lens == "given"
    distance = np.linalg.norm(found.camera.centers() - camera.centers(), axis=1)
    assert distance.max() < 0.01
    assert found.interpolated == ()


def test_given_cameras_that_do_not_fit_are_said_to():
    scene, camera = given_scene()
    good = solve_tracks(scene.picture, scene.followed, SolveOptions(given=camera), lambda: None)
    assert good.numbers.move_error < 0.2
    assert not any("do not fit" in note for note in good.notes)
    wrong = replace(camera, E=camera.E[::-1])
    bad = solve_tracks(scene.picture, scene.followed, SolveOptions(given=wrong), lambda: None)
    assert np.array_equal(bad.camera.E, wrong.E)
    assert any("do not fit" in note for note in bad.notes)


def test_given_turns_are_gone_on_from():
    scene = track_scene("turns", count=13)
    camera = scene.camera
    part = Trajectory(camera.K[:6], camera.E[:6], camera.width, camera.height, frame_numbers=camera.frame_numbers[:6])
    found = solve_tracks(scene.picture, scene.followed, SolveOptions(given=part), lambda: None)
    assert found.kind == "turns"
    assert np.array_equal(found.camera.E[:6], camera.E[:6])
    assert camera_errors(found.camera.E, camera.E).rotation_max_deg < 0.1


def test_cameras_of_other_frames_are_refused():
    scene, camera = given_scene()
    other = camera.numbered(tuple(range(1, 14)), RATE)
    with pytest.raises(BadInputError, match="None of the given cameras"):
        solve_tracks(scene.picture, scene.followed, SolveOptions(given=other), lambda: None)
