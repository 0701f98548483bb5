# SPDX-License-Identifier: Apache-2.0
"""Depth from parallax on scenes of textured planes whose depth is known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from depth_factory import Collected, peak_memory
from parallax_scenes import FLOOR, POST, WALL, Board, Clip, Flat, draw, slider

from ex4d.camera import Trajectory, intrinsics
from ex4d.camera.lens import Lens
from ex4d.depth.base import STATIC_NOTE, DepthFrame, DepthResult
from ex4d.depth.parallax import background, cards, gaps, mirrors, movers, outlines
from ex4d.depth.parallax.agreement import OtherMap, ask, is_confirmed, middle, unlike, without_islands, without_specks
from ex4d.depth.parallax.flows import Flows
from ex4d.depth.parallax.neighbours import choose
from ex4d.depth.parallax.refine import refine
from ex4d.depth.parallax.semi_global import MOST_COST, semi_global
from ex4d.depth.parallax.sightings import Sightings, find_points, sightings
from ex4d.depth.parallax.sky import endless, plain_sky
from ex4d.depth.parallax.source import Mattes, ParallaxDepth
from ex4d.depth.parallax.sweep import Neighbour, sweep
from ex4d.depth.parallax.views import Passage
from ex4d.media.frames import ArrayFrames
from ex4d.system.progress import Silent

#: Where towers stand, x and z.
TOWERS = list(enumerate([(-2.4, 4.5), (-0.6, 3.4), (1.2, 5.0)]))


@dataclass
class Marked(Collected):
    """A sink that also keeps what was measured and what moves."""

    def __post_init__(self) -> None:
        self.measured: dict[int, np.ndarray] = {}
        self.moving: dict[int, np.ndarray | None] = {}

    def write(self, frame: DepthFrame) -> None:
        super().write(frame)
        assert frame.measured is not None
        assert frame.measured.shape == frame.depth.shape
        self.measured[frame.number] = frame.measured
        self.moving[frame.number] = frame.moving


def measure(
    clip: Clip, scratch: Path, sink: Marked | None = None, **options: Any
) -> tuple[DepthResult, np.ndarray, np.ndarray]:
    """Result, depth (T, H, W), measured (T, H, W); ``sink`` gets all."""
    source = ParallaxDepth(Flat(), clip.camera, keeps_world=True)
    source = replace(source, **options)
    sink = sink or Marked()
    scratch.mkdir(exist_ok=True)
    result = source.estimate(clip.plate, sink, scratch, Silent())
    assert tuple(sink.maps) == clip.plate.numbers
    return result, np.stack(list(sink.maps.values())), np.stack(list(sink.measured.values()))


@pytest.fixture(scope="module")
def post_clip() -> Clip:
    return draw([WALL, POST], slider(9, 0.9))


@pytest.fixture(scope="module")
def post(post_clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> tuple[DepthResult, np.ndarray, np.ndarray]:
    return measure(post_clip, tmp_path_factory.mktemp("post"))


def test_a_slanted_wall_and_a_post_are_measured(post_clip: Clip, post: Any) -> None:
    _, z, measured = post
    error = np.abs(z / post_clip.z - 1)
    assert measured.mean() > 0.7
    assert np.median(error[measured]) < 0.009
    assert error.mean() < 0.02


def test_the_post_has_its_outline_to_the_pixel(post_clip: Clip, post: Any) -> None:
    _, z, _ = post
    truth = post_clip.which == 1
    found = z < 3.6
    # Frames that have both earlier and later neighbours.
    for index in range(2, 7):
        off = (truth[index] ^ found[index]).sum(axis=1)
        assert off.mean() < 1.2  # both sides of the post together, pixels a row


def test_the_report_tells_how_much_was_measured(post: Any) -> None:
    result, _, measured = post
    assert result.poses_known
    assert result.intrinsics_known
    assert any(f"measured from parallax in {measured.mean():.0%} of the pixels" in note for note in result.notes)
    assert STATIC_NOTE not in result.notes


def test_the_near_end_is_put_at_one_and_the_camera_with_it(post_clip: Clip, post: Any, tmp_path: Path) -> None:
    _, world, _ = post
    result, z, _ = measure(post_clip, tmp_path / "unit", keeps_world=False)
    ratio = np.median(z / world)
    np.testing.assert_allclose(z, world * ratio, rtol=1e-4)
    assert np.percentile(z, 2) == pytest.approx(1, rel=0.05)
    np.testing.assert_allclose(result.source.E[:, :3, 3], post_clip.camera.E[:, :3, 3] * ratio, rtol=1e-5)


def test_a_camera_that_drives_forwards(tmp_path: Path) -> None:
    clip = draw([WALL, FLOOR], slider(9, 0.2, ahead=1.6))
    _, z, measured = measure(clip, tmp_path)
    error = np.abs(z / clip.z - 1)
    assert np.median(error[measured]) < 0.008
    # Where the near floor leaves the picture, the estimator, which knows nothing, is all there is.
    assert error.mean() < 0.09


def test_what_soon_leaves_the_picture_is_measured_with_nearer_frames(tmp_path: Path) -> None:
    clip = draw([WALL, FLOOR], slider(9, 0.2, ahead=0.8))
    _, z, measured = measure(clip, tmp_path)
    error = np.abs(z / clip.z - 1)
    # 0.59 and 0.096 with the neighbours alone that show the middle of the picture well.
    assert measured[0].mean() > 0.65
    assert error[0].mean() < 0.07
    assert np.median(error[measured]) < 0.015


def test_a_thing_that_moves_stands_where_its_foot_is(tmp_path: Path) -> None:
    foot = 4.0
    walker = Board(
        (-0.9, -0.6, foot), (0.7, 0, 0), (0, 1.8, 0), seed=7, drift=(0.12, 0, 0), detail=10, tint=(200, 60, 160)
    )
    clip = draw([WALL, FLOOR, walker], slider(9, 0.5, size=(128, 96), focal=110))
    sink = Marked()
    _, z, measured = measure(clip, tmp_path, sink)
    on_it = clip.which == 2
    middle = slice(2, 7)
    moving = np.array(list(sink.moving.values()))
    assert moving[middle][on_it[middle]].mean() > 0.6
    assert moving[~on_it].mean() < 0.05
    assert np.median(np.abs(z[middle][on_it[middle]] / foot - 1)) < 0.13
    assert measured[on_it].mean() < 0.2
    assert np.abs(z / clip.z - 1)[~on_it].mean() < 0.04


def test_a_matte_says_what_moves(tmp_path: Path, post_clip: Clip) -> None:
    masks = [np.repeat(255 * (w == 1)[..., None], 3, axis=2).astype(np.uint8) for w in post_clip.which]
    drawn = ArrayFrames.of(masks, post_clip.plate.fps, range(1, len(masks) + 1))
    mattes = Mattes(drawn, "drawn", drawn.numbers)
    sink = Marked()
    _, _, measured = measure(post_clip, tmp_path, sink, mattes=mattes)
    assert not measured[post_clip.which == 1].any()
    np.testing.assert_array_equal(np.array(list(sink.moving.values())), post_clip.which == 1)
    source = ParallaxDepth(Flat(), post_clip.camera)
    assert source.inputs() != replace(source, mattes=mattes).inputs()


@dataclass(frozen=True)
class Told(Flat):
    """An estimator that knows where the sky is, and puts it at so many times the others' depth."""

    sky: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sky_z: float = 6.0

    def estimate(self, frames: Any, sink: Any, scratch: Path, progress: Any) -> DepthResult:
        result = super().estimate(frames, Collected(), scratch, progress)
        for number, is_sky in zip(frames.numbers, self.sky, strict=True):
            sink.write(DepthFrame(number, np.where(is_sky, self.sky_z, self.z).astype(np.float32)))
        return result


def test_a_night_sky_is_infinitely_far_away_and_a_plain_wall_is_not(tmp_path: Path) -> None:
    towers = [replace(POST, corner=(x, -0.8, z), across=(1.1, 0, 0.2), seed=9 + i, detail=40) for i, (x, z) in TOWERS]
    clip = draw([FLOOR, *towers], slider(7, 0.9))
    is_sky = np.isinf(clip.z)
    rng = np.random.default_rng(3)
    night = [
        np.where(sky[..., None], rng.integers(17, 19, (*sky.shape, 3)), clip.plate.read_8bit(number)).astype(np.uint8)
        for number, sky in zip(clip.plate.numbers, is_sky, strict=True)
    ]
    clip = replace(clip, plate=ArrayFrames.of(night, clip.plate.fps, clip.plate.numbers))
    _, z, measured = measure(clip, tmp_path / "sky", estimator=Told(sky=is_sky))
    assert is_sky.mean() > 0.2
    assert np.isinf(z[is_sky]).mean() > 0.95
    assert np.isfinite(z[~is_sky]).mean() > 0.97
    assert not measured[np.isinf(z)].any()
    # What is as plain, and stands before the others as the estimator sees it.
    _, z, _ = measure(clip, tmp_path / "wall", estimator=Told(sky=is_sky, sky_z=3.0))
    assert np.isfinite(z).all()


def test_without_motion_the_estimate_is_all_there_is(tmp_path: Path) -> None:
    still = slider(5, 0.0)
    result, z, measured = measure(draw([WALL, POST], still), tmp_path)
    assert not result.poses_known
    assert not measured.any()
    np.testing.assert_allclose(z, 4.0, rtol=1e-5)
    assert any("No parallax" in note for note in result.notes)


def test_large_plates_are_measured_small_and_come_back_at_their_size(post_clip: Clip, tmp_path: Path) -> None:
    clip = draw([WALL, POST], slider(7, 0.9, size=(192, 144), focal=180))
    _, z, measured = measure(clip, tmp_path, longest=96)
    assert z.shape == clip.z.shape == measured.shape
    assert np.median(np.abs(z / clip.z - 1)) < 0.01
    # No depths between the post's and the wall's.
    between = (z > 3.3) & (z < 4.4)
    assert between.mean() < 0.01


def test_a_lens_is_taken_out_first(tmp_path: Path) -> None:
    straight = draw([WALL, POST], slider(7, 0.9))
    lens = Lens("brown", (-0.25,))
    camera = replace(straight.camera, lens=lens)
    # The plate as the lens shows it, and its truth.
    K, size = camera.K[0], straight.plate.size
    centres = np.stack(np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5), axis=-1)
    at = (lens.undistort((centres - K[:2, 2]) / K[0, 0]) * K[0, 0] + K[:2, 2] - 0.5).astype(np.float32)
    pictures = [cv2.remap(straight.plate.read_8bit(n), at, None, cv2.INTER_CUBIC) for n in straight.plate.numbers]
    truth = np.stack([cv2.remap(z, at, None, cv2.INTER_NEAREST) for z in straight.z])
    plate = ArrayFrames.of(pictures, straight.plate.fps, straight.plate.numbers)
    result, z, measured = measure(Clip(plate, camera, truth, straight.which), tmp_path)
    assert result.source.lens == lens
    inner = (slice(None), slice(12, -12), slice(12, -12))
    error = np.abs(z[inner] / truth[inner] - 1)
    assert np.median(error) < 0.01
    assert measured[inner].mean() > 0.75


@pytest.mark.parametrize(
    ("size", "estimate", "is_sky"),
    [((40, 80), 0.9, True), ((40, 80), 1.1, False), ((16, 20), 0.9, False), ((16, 20), 0.4, True)],
    ids=["wide", "wide, before the rest", "a bright patch of a wall", "small, far behind"],
)
def test_a_plain_part_is_the_sky_as_it_is_large_or_far(size: tuple[int, int], estimate: float, is_sky: bool) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (120, 160), dtype=np.uint8)
    part = np.zeros(grey.shape, bool)
    part[: size[0], 40 : 40 + size[1]] = True
    grey[part] = 200
    far = 0.5
    found = plain_sky(~part, np.where(part, np.float32(estimate * far), np.float32(1)), grey, far)
    assert found[part].mean() == pytest.approx(1 if is_sky else 0, abs=0.25)
    assert not found[~part].any()


def test_memory_is_flat_in_the_length(tmp_path: Path) -> None:
    peaks = []
    for count in (9, 27):
        clip = draw([WALL], slider(count, 0.1 * count, size=(64, 48), focal=60))
        peaks.append(peak_memory(ParallaxDepth(Flat(), clip.camera), clip.plate, tmp_path / str(count)))
    assert peaks[1] < 1.3 * peaks[0]


# Parts ----------------------------------------------------------------------------------------------------------------


def test_passages_agree_with_the_cameras() -> None:
    rng = np.random.default_rng(0)
    rotation, _ = cv2.Rodrigues(np.array([0.05, -0.1, 0.02]))
    E = np.stack([np.eye(4), np.eye(4)])
    E[1, :3, :3], E[1, :3, 3] = rotation, [0.3, -0.1, 0.2]
    cameras = Trajectory(intrinsics(70, 64, 48), E, 64, 48)
    at = rng.uniform(0, 40, (50, 2))
    z = rng.uniform(2, 9, 50)
    world = np.column_stack([cameras[0].rays(at), np.ones(50)]) * z[:, None]
    seen, depth = cameras[1].project(world)
    passage = Passage.between(cameras, 0, 1)
    there = np.column_stack([at - 0.5, np.ones(50)]) @ passage.A.T + passage.b / z[:, None]
    np.testing.assert_allclose(there[:, :2] / there[:, 2:] + 0.5, seen, atol=1e-9)
    np.testing.assert_allclose(there[:, 2], depth / z, atol=1e-9)
    grid = np.full((48, 64), 0.25, np.float32)
    column, row, ratio = passage.positions(grid)
    on_plane = passage.homography(0.25) @ [10, 20, 1]
    np.testing.assert_allclose([column[20, 10], row[20, 10]], on_plane[:2] / on_plane[2], rtol=1e-5)
    assert ratio[20, 10] == pytest.approx(on_plane[2], rel=1e-5)


def test_points_are_found_where_they_are(post_clip: Clip) -> None:
    grey = [cv2.cvtColor(post_clip.plate.read_8bit(n), cv2.COLOR_RGB2GRAY) for n in post_clip.plate.numbers]
    points = find_points(lambda index: grey[index], post_clip.camera)
    seen = sightings(points, post_clip.camera, 4)
    columns, rows = np.clip(seen.at.round().astype(int), 0, (95, 71)).T
    error = np.abs(seen.disparity * post_clip.z[4][rows, columns] - 1)
    assert len(points) > 100
    assert np.median(error) < 0.01


def test_neighbours_are_chosen_by_parallax_not_by_time() -> None:
    seen = Sightings(np.random.default_rng(0).uniform(0, 72, (100, 2)), np.full(100, 0.25))
    fast, slow = (choose(slider(41, way), 20, seen).indices for way in (8.0, 2.0))
    assert max(abs(index - 20) for index in slow) > 2 * max(abs(index - 20) for index in fast)
    # Three on each side.
    assert sum(index < 20 for index in slow) == sum(index > 20 for index in slow) == 3


def test_a_side_that_shows_too_little_is_left_out() -> None:
    seen = Sightings(np.random.default_rng(0).uniform(0, 72, (100, 2)), np.full(100, 0.25))
    assert all(index > 1 for index in choose(slider(41, 2.0), 1, seen).indices)


def test_nearer_frames_are_neighbours_where_the_others_no_longer_show_it() -> None:
    # Forwards: the outermost points leave the picture first.
    camera = slider(41, 0.0, ahead=4.0)
    at = np.random.default_rng(0).uniform(0, (96, 72), (400, 2))
    seen = Sightings(at, np.full(400, 0.2))
    first, middle = choose(camera, 0, seen), choose(camera, 30, seen)
    assert first.nearer
    assert max(first.nearer.indices) < min(first.indices)
    # Frames that come before show all of it.
    assert middle.nearer is None


def test_the_sweep_costs_least_at_the_true_plane() -> None:
    wall = replace(WALL, corner=(-12, -9, 5.0), across=(24, 0, 0), detail=220)
    clip = draw([wall], slider(5, 0.8))
    grey = [
        cv2.cvtColor(clip.plate.read_8bit(n), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255 for n in clip.plate.numbers
    ]
    near = [Neighbour(grey[k], Passage.between(clip.camera, 2, k), k > 2) for k in (0, 1, 3, 4)]
    planes = np.linspace(0.1, 0.4, 31)
    with ThreadPoolExecutor(2) as pool:
        costs = sweep(grey[2], near, planes, pool, 2)
    best = planes[costs.argmin(axis=1)]
    assert (np.abs(best - 0.2) < 0.011).mean() > 0.95
    assert costs.max() <= MOST_COST


def test_semi_global_matching_bridges_what_says_nothing() -> None:
    costs = np.full((20, 9, 30), 60, np.uint8)
    costs[:, 2] = 10
    costs[:, 6, 15:] = 10
    costs[:, 2, 15:] = 60
    costs[5:9, :, 4:10] = 40  # nothing to choose there
    with ThreadPoolExecutor(2) as pool:
        surface = semi_global(costs, np.full((20, 30), 50, np.uint8), pool)
    assert (surface.plane[:, :14].round() == 2).all()
    assert (surface.plane[:, 16:].round() == 6).all()


def test_refinement_takes_noise_out_of_planes_and_leaves_creases() -> None:
    # Two sides of a box whose edge stands towards the camera, one in the shade, slanted by a third of a step a pixel.
    left = Board((-1.6, -1.8, 4.4), (1.6, 0, -1.4), (0, 3.6, 0), seed=11, tint=(170, 165, 160))
    right = Board((0, -1.8, 3), (1.6, 0, 1.4), (0, 3.6, 0), seed=12, tint=(85, 85, 90))
    clip = draw([WALL, left, right], slider(5, 0.8))
    grey = [
        cv2.cvtColor(clip.plate.read_8bit(n), cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
        for n in clip.plate.numbers
    ]
    near = [Neighbour(grey[k], Passage.between(clip.camera, 2, k), k > 2) for k in (0, 1, 3, 4)]
    step = 0.01
    truth = 1 / clip.z[2]
    rough = np.round(truth / step) * step + step * np.random.default_rng(5).uniform(-0.5, 0.5, truth.shape)
    with ThreadPoolExecutor(2) as pool:
        fine = refine(grey[2], near, rough.astype(np.float32), step, pool)
    off = (fine - truth) / step
    edge = np.argmax(clip.which[2] == 2, axis=1)[36]
    assert (clip.which[2, :, edge - 8 : edge] == 1).all()
    inside, crease = np.s_[8:-8, edge + 6 : edge + 20], np.s_[8:-8, edge - 2 : edge + 2]
    assert np.abs(off[inside]).mean() < 0.1
    assert abs(off[crease].mean()) < 0.2


def test_a_measurement_needs_others_that_agree() -> None:
    own = np.full((8, 10), 0.5, np.float32)
    own[2, 3] = 0.9
    here = Passage(np.eye(3), np.zeros(3))
    others = [OtherMap(np.full((8, 10), value, np.float32), here) for value in (0.505, 0.495, 0.8)]
    answers = ask(own, others, 0.0)
    assert (answers.agree[own == 0.5] == 2).all()
    assert answers.agree[2, 3] == 0
    np.testing.assert_allclose(answers.mean(own)[own == 0.5], 0.5, rtol=1e-6)
    # One of this side's frames sees something else: it takes two of the other side.
    assert not is_confirmed([answers]).any()
    both = is_confirmed([answers, ask(own, others[:2], 0.0)])
    assert both[own == 0.5].all()
    assert not both[2, 3]


def test_the_middle_is_what_most_frames_say() -> None:
    own = np.array([[0.5, 0.9, 0.3, 0.7]], np.float32)
    said = ([0.52, 0.5, np.nan, 0.0], [0.48, 0.52, 0.2, np.nan])
    found = middle(own, [np.array([values], np.float32) for values in said])
    # Of two the farther one; the sky says nothing.
    np.testing.assert_allclose(found, [[0.5, 0.52, 0.2, 0.7]])


def test_a_frame_that_shows_another_colour_sees_another_surface() -> None:
    picture, other = np.full((10, 20, 3), 90, np.uint8), np.full((10, 20, 3), 96, np.uint8)
    other[:, 12:] = 140
    by_two = Passage(np.eye(3), np.array([2.0, 0.0, 0.0]))
    differs = unlike(picture, other, by_two.positions(np.ones((10, 20), np.float32)))
    np.testing.assert_array_equal(differs, np.tile(np.arange(20) >= 10, (10, 1)))


def test_islands_go() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:10, 2:10] = mask[15, 15:18] = True
    kept = without_islands(mask, 10)
    assert kept[5, 5]
    assert not kept[15].any()


def test_specks_amid_another_surface_go_and_slopes_and_wires_stay() -> None:
    rows = np.arange(40, dtype=np.float32)[:, None]
    w = np.broadcast_to(0.2 + 0.02 * rows, (40, 60)).copy()
    w[10:15, 10:15] = 1.5
    w[:, 40] = 2.0
    w[30:, :20] = np.nan
    kept = without_specks(w, 0.01, 30)
    assert np.isnan(kept[10:15, 10:15]).all()
    w[10:15, 10:15] = np.nan
    np.testing.assert_array_equal(kept, w)


def test_noise_far_away_is_no_speck() -> None:
    w = np.random.default_rng(0).uniform(0, 0.005, (40, 60)).astype(np.float32)
    assert np.isfinite(without_specks(w, 0.01, 30)).mean() > 0.99


def test_noise_far_away_is_no_outline() -> None:
    """Else whatever is infinitely far away is one outline, at which nothing tells the two surfaces apart."""
    step = 0.01
    noise = np.random.default_rng(3).uniform(0, 0.5 * step, (60, 60)).astype(np.float32)
    colour = np.full((60, 60, 4), 90, np.float32)
    still = Passage(np.eye(3), np.zeros(3))
    sharp, unclear = outlines.sharpened(noise, colour, [(colour, still, True)], step)
    assert not unclear.any()
    np.testing.assert_array_equal(sharp, noise)
    noise[:, :30] += 0.1
    _, unclear = outlines.sharpened(noise, colour, [(colour, still, True)], step)
    assert unclear[:, 28:32].all()


def test_a_measured_sky_need_not_reach_what_was_not_measured_at_the_edge() -> None:
    measured = np.full((60, 80), 0.2, np.float32)
    measured[:30, :40] = 0.001
    measured[:6] = np.nan
    measured[40:50, 50:70] = 0.001  # a mirror
    sky = np.zeros(measured.shape, bool)
    sky[6:30, :40] = True
    np.testing.assert_array_equal(endless(measured, 0.01), sky)


def test_a_gap_in_noise_goes_to_one_surface_without_streaks() -> None:
    """A grey post before a wall of nearly its colour; beside it nothing was measured."""
    rng = np.random.default_rng(0)
    picture = rng.integers(100, 140, (80, 160, 3), dtype=np.uint8)
    picture[:, 60:80] -= 30
    w = np.full((80, 160), 0.25, np.float32)
    w[:, 60:80] = 1.0
    measured = np.ones(w.shape, bool)
    measured[:, 80:96] = False
    near = gaps.filled(np.where(measured, w, 0), measured, w, picture)[:, 80:96] > 0.5
    assert near.mean() < 0.03


def test_a_thing_that_was_measured_too_wide_does_not_spread_over_the_gap_beside_it() -> None:
    """Two pixels of what is behind a post have the post's depth: a window takes the near depth at outlines."""
    rng = np.random.default_rng(1)
    picture = rng.integers(100, 140, (80, 160, 3), dtype=np.uint8)
    picture[:, 60:80] -= 30
    w = np.full((80, 160), 0.25, np.float32)
    w[:, 58:82] = 0.5
    measured = np.ones(w.shape, bool)
    measured[:, 48:58] = measured[:, 82:92] = False
    near = gaps.filled(np.where(measured, w, 0), measured, w, picture) > 0.4
    assert near[:, 48:58].mean() < 0.03
    assert near[:, 82:92].mean() < 0.03
    assert near[:, 58:82].all()


def test_a_gap_takes_one_surface_by_its_colour_and_the_farther_of_equals() -> None:
    picture = np.full((20, 40, 3), 80, np.uint8)
    picture[:, 18:] = 200
    w = np.where(np.arange(40) < 20, 1.0, 0.25).astype(np.float32) * np.ones((20, 1), np.float32)
    measured = np.ones((20, 40), bool)
    measured[:, 16:24] = False
    out = gaps.filled(np.where(measured, w, 0), measured, np.full((20, 40), 0.5, np.float32), picture)
    assert set(np.unique(out[:, 16:24].round(3))) == {np.float32(0.25), np.float32(1.0)}
    assert (out[5:15, 16:18] == 1).all()
    assert (out[5:15, 18:24] == 0.25).all()
    plain = gaps.filled(
        np.where(measured, w, 0), measured, np.full((20, 40), 0.5, np.float32), np.full_like(picture, 80)
    )
    np.testing.assert_allclose(plain[5:15, 20:24], 0.25, rtol=1e-4)


def test_behind_what_moves_its_colours_say_nothing_and_the_farthest_surface_goes_on() -> None:
    """A dark leg beside a dark post, before a light wall."""
    picture = np.full((40, 80, 3), 200, np.uint8)
    picture[:, 30:50] = 30
    w = np.where(np.arange(80) < 40, 0.25, 0.5).astype(np.float32) * np.ones((40, 1), np.float32)
    leg = np.zeros(w.shape, bool)
    leg[:, 30:40] = True
    known = np.where(leg, 0, w).astype(np.float32)
    np.testing.assert_allclose(gaps.filled(known, ~leg, w, picture)[leg], 0.5, rtol=1e-4)
    np.testing.assert_allclose(gaps.filled(known, ~leg, w, picture, hidden=leg)[leg], 0.25, rtol=1e-4)


def test_a_surface_goes_on_with_the_slope_that_it_has() -> None:
    """A floor that was measured with noise, and not at the lower edge."""
    w = np.broadcast_to(np.linspace(0.2, 1.0, 120, dtype=np.float32)[:, None], (120, 160))
    noisy = w * np.random.default_rng(5).uniform(0.98, 1.02, w.shape).astype(np.float32)
    measured = np.ones(w.shape, bool)
    measured[105:] = False
    picture = np.full((*w.shape, 3), 90, np.uint8)
    full = gaps.filled(np.where(measured, noisy, 0), measured, np.full(w.shape, 0.5, np.float32), picture)
    error = np.abs(full / w - 1)[~measured]
    assert error.mean() < 0.014
    assert np.percentile(error, 95) < 0.025


def test_a_hole_that_the_estimator_does_not_see_is_a_reflection() -> None:
    wall = np.full((60, 80), 0.5, np.float32)
    measured = wall.copy()
    measured[20:40, 30:60] = 0.25
    inside = measured == 0.25
    np.testing.assert_array_equal(mirrors.reflections(measured, wall), inside)
    # The same where the estimator is wrong by a third everywhere.
    np.testing.assert_array_equal(mirrors.reflections(measured, 1.3 * wall), inside)
    # A window: the estimator sees something behind it.
    assert not mirrors.reflections(measured, np.where(inside, np.float32(0.3), wall)).any()
    # What goes on outside of the picture is no hole, nor what stands before the rest.
    assert not mirrors.reflections(np.where(np.arange(80) < 30, measured, 0.25).astype(np.float32), wall).any()
    assert not mirrors.reflections(np.where(inside, np.float32(0.9), wall), wall).any()
    # Three times as far is one anywhere.
    assert mirrors.reflections(np.full_like(wall, 0.1), wall).all()


def test_what_is_seen_between_two_things_is_no_reflection() -> None:
    measured = np.full((60, 80), 0.25, np.float32)
    measured[20:, 10:70] = 0.5
    # The estimator takes the things, and what is seen between them, for one.
    estimate = measured.copy()
    measured[20:45, 25:50] = 0.25
    assert not mirrors.reflections(measured, estimate).any()
    # A mirror between them shows what is nowhere beside it.
    mirror = measured.copy()
    mirror[20:45, 25:50] = 0.17
    assert mirrors.reflections(mirror, estimate)[20:45, 25:50].all()


def test_a_mirror_is_told_though_little_round_it_was_measured() -> None:
    wall = np.full((128, 256), 0.5, np.float32)
    measured = wall.copy()
    measured[30:90, 60:160] = 0.25
    frame = np.zeros(measured.shape, bool)
    frame[25:95, 55:165] = True
    # Along half of one side, and not at the others.
    beside = (np.arange(128) < 90)[:, None] | (np.arange(256) >= 113)
    measured[frame & (measured > 0.3) & beside] = np.nan
    np.testing.assert_array_equal(mirrors.reflections(measured, wall), measured == 0.25)


def test_a_card_stands_on_the_ground_below_it() -> None:
    ground = np.linspace(0.1, 0.8, 40, dtype=np.float32)[:, None] * np.ones((1, 30), np.float32)
    thing = np.zeros((40, 30), bool)
    thing[10:25, 12:18] = True
    assert cards.foot_disparity(thing, ground) == pytest.approx(ground[25, 0], rel=0.06)
    thing[10:40] = True
    assert np.isnan(cards.foot_disparity(thing, ground))


def test_a_card_is_steady_over_time() -> None:
    standing = cards.Cards()
    thing = np.zeros((40, 30), bool)
    thing[10:25, 12:18] = True
    ground = np.linspace(0.5, 1.5, 40, dtype=np.float32)[:, None] * np.ones((1, 30), np.float32)
    for value in (0.5, 0.5, 0.9, 0.5, 0.5):
        standing.add(thing, value * ground)
    alone = cards.foot_disparity(thing, 0.5 * ground)
    assert [standing.disparities(index) for index in range(5)] == [[alone]] * 5


def test_a_foot_before_a_wall_or_a_post_says_nothing() -> None:
    ground = np.tile(np.linspace(0.1, 0.3, 90, dtype=np.float32)[:, None], (1, 60))
    thing = np.zeros((90, 60), bool)
    thing[20:50, 20:30] = True
    assert cards.foot_disparity(thing, ground) == pytest.approx(ground[51, 0], rel=0.02)
    ground[45:70, 15:35] = 0.4
    assert np.isnan(cards.foot_disparity(thing, ground))


def test_a_card_is_carried_on_from_where_its_foot_was_seen_and_not_behind_what_it_covers() -> None:
    ground = np.tile(np.linspace(0.1, 0.3, 90, dtype=np.float32)[:, None], (1, 120))
    shot = cards.Cards()
    masks = []
    for frame in range(16):
        mask = np.zeros((90, 120), bool)
        # Of two pieces; its foot leaves the picture.
        mask[20:30, 20:30] = mask[31 : min(50 + 10 * frame, 90), 20:30] = True
        masks.append(mask)
        shot.add(mask, ground)
    assert [len(shot.disparities(frame)) for frame in range(16)] == [1] * 16
    last = shot.disparities(15)[0]
    assert last == pytest.approx(ground[min(50 + 30, 89), 0], rel=0.03)
    behind = np.full((90, 120), 0.1, np.float32)
    out = cards.placed(behind, masks[15], [last], behind)
    assert np.all(out[masks[15]] == np.float32(last))
    assert np.all(cards.placed(behind + 1, masks[15], [last], behind)[masks[15]] >= 1.1)


def _shifted(frame: int) -> np.ndarray:
    """A texture that goes to the right by 3 pixels a frame, before one that stands."""
    rng = np.random.default_rng(1)
    wall, thing = (cv2.GaussianBlur(rng.uniform(0, 255, (96, 128)), (0, 0), 1.5) for _ in range(2))
    picture = 4 * (wall - 127) + 127
    left = 40 + 3 * frame
    picture[30:70, left : left + 30] = 4 * (thing[30:70, :30] - 127) + 127
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def test_flows_lead_back_but_for_what_is_hidden_there() -> None:
    flow, leads_back = Flows(_shifted).between(0, 2)
    assert np.median(flow[36:64, 46:64, 0]) == pytest.approx(6, abs=0.4)
    assert leads_back[36:64, 46:64].mean() > 0.9
    assert leads_back[5:25, 5:120].mean() > 0.9
    assert leads_back[34:66, 71:75].mean() < 0.6


def test_what_drifts_in_a_plain_sky_is_no_mover_but_what_crosses_it_is() -> None:
    sky = np.zeros((100, 100), bool)
    sky[:50] = True
    cloud, walker = np.zeros((2, 100, 100), bool)
    cloud[5:25, 5:30] = True
    walker[35:90, 60:80] = True
    np.testing.assert_array_equal(movers.without_clouds(cloud | walker, sky), walker)
    assert not movers.without_clouds(np.zeros((100, 100), bool), sky).any()


def test_a_mover_is_whole_and_as_the_frames_beside_say() -> None:
    here = Passage(np.eye(3), np.zeros(3))
    grey = np.zeros((100, 100), np.uint8)
    look = movers.Look(grey, here, np.zeros((100, 100, 2), np.float32), np.ones((100, 100), bool))
    thing = np.zeros((100, 100), bool)
    thing[20:60, 30:50] = True
    found = thing.copy()
    found[40:50] = False  # legs that were missed
    found[28:32, 38:42] = False  # a hole
    found[70:80, 70:80] = True  # what no other frame has
    everywhere = np.ones((100, 100), bool)
    np.testing.assert_array_equal(movers.in_time(found, everywhere, [(thing, look)] * 3), thing)
    # What was measured, or is seen at rest, is not added.
    assert not movers.in_time(found, ~thing, [(thing, look)] * 3)[40:50].any()


def test_guessed_specks_go_over_to_the_surface_around_them() -> None:
    disparity = np.full((60, 80), 0.3, np.float32)
    disparity[:, 50:] = 0.9
    disparity[20:22, 10:14] = 0.9
    disparity[40:42, 10:14] = 0.0
    disparity[30:32, 30:34] = 0.6
    guessed = np.ones(disparity.shape, bool)
    guessed[30:32, 30:34] = False
    expected = disparity.copy()
    expected[20:22, 10:14] = expected[40:42, 10:14] = 0.3
    found = gaps.without_specks(disparity, guessed, 0.01, 30)
    # What was measured stays, and so do both sides of an outline.
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(gaps.without_specks(disparity, guessed, 0.01, 5), disparity)


def _sights(clip: Clip, at: int, others: Sequence[int]) -> list[background.Sight]:
    """What other frames truly measured of a clip."""
    return [
        background.Sight(
            (1 / clip.z[other]).astype(np.float32),
            clip.plate.read_8bit(clip.plate.numbers[other]),
            Passage.between(clip.camera, other, at),
            Passage.between(clip.camera, at, other),
        )
        for other in others
    ]


def test_what_a_frame_shows_beside_a_post_is_told_by_those_that_measured_it(post_clip: Clip) -> None:
    at, picture = 4, post_clip.plate.read_8bit(1005)
    found = background.seen_behind(picture, _sights(post_clip, at, (2, 3, 5, 6)), np.ones(picture.shape[:2], bool))
    known = np.isfinite(found.shown)
    assert known.mean() > 0.8
    assert (np.abs(found.shown * post_clip.z[at] - 1)[known] < 0.02).mean() > 0.97
    assert found.hidden.mean() < 0.01


def test_what_hides_what_several_frames_measured_has_come_in_between(post_clip: Clip) -> None:
    """The same wall without the post, and then something dark before it."""
    clip = draw([WALL], post_clip.camera)
    picture = clip.plate.read_8bit(1005).copy()
    picture[20:60, 40:60] = 10
    wanted = np.ones(picture.shape[:2], bool)
    found = background.seen_behind(picture, _sights(clip, 4, (2, 3, 5, 6)), wanted)
    thing = np.zeros(wanted.shape, bool)
    thing[20:60, 40:60] = True
    assert found.hidden[thing].mean() > 0.85
    # Colours are means over three by three pixels.
    beside = cv2.dilate(thing.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert not found.hidden[~beside].any()
    # Two frames may both have it wrong.
    assert not background.seen_behind(picture, _sights(clip, 4, (3, 5)), wanted).hidden.any()


def test_a_walker_behind_a_post_is_whole_and_does_not_grow_into_the_wall() -> None:
    """His flow tells his body; a leg beside the post stands, and another hides what was measured."""
    rng = np.random.default_rng(3)
    picture = np.stack([rng.integers(150, 170, (120, 160), dtype=np.uint8)] * 3, axis=2)
    picture[:, 80:96] = rng.integers(90, 110, (120, 16, 1), dtype=np.uint8)  # the post
    body, leg, other = np.zeros((3, 120, 160), bool)
    body[10:50, 60:80], leg[50:75, 66:80], other[50:110, 58:64] = True, True, True
    picture[body | leg] = 20
    picture[other] = 60
    # Beside the post nothing was measured, and so it is where he was a moment ago.
    measured = np.ones((120, 160), bool)
    measured[body | leg | other] = measured[50:110, 64:80] = measured[5:60, 30:60] = False
    w = np.where(np.arange(160) < 80, 0.2, 0.5).astype(np.float32) * np.ones((120, 1), np.float32)
    strange = gaps.strangeness(np.where(measured, w, 0).astype(np.float32), measured, picture)
    found = movers.whole(body, other, picture, measured, strange)
    assert found[body | leg | other].mean() > 0.95
    assert found[~(body | leg | other)].mean() < 0.01
    assert not movers.whole(np.zeros_like(body), other, picture, measured, strange).any()
