# SPDX-License-Identifier: Apache-2.0
"""What other frames show in a take: a card crosses before a painted wall, under a camera that moves or turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import Plane, cast, picture_at, rays

from ex4d.camera import Camera, Trajectory, build_take, intrinsics, parse_preset
from ex4d.camera.transforms import invert_rigid, rigid, rotation_y
from ex4d.fill.background.anchors import WIDEST_SPACING, AnchorChoice, candidates
from ex4d.fill.background.depth_grids import DepthGrids
from ex4d.fill.background.exposure import SAME, match_exposure
from ex4d.fill.background.gather import gather
from ex4d.fill.background.movers import WITNESSES, moving_by_depth, witnesses
from ex4d.fill.background.other_frames import Measured, OtherFrames, source_stands_still, source_turns
from ex4d.fill.background.sights import MeshSights, Sight
from ex4d.fill.base import OtherFrame, TakeFrame, TakeScene
from ex4d.media.encoding import DISPLAY_16, LINEAR_HALF, TruthEncoding
from ex4d.media.frames import ArrayFrames
from ex4d.mesh import build_mesh, far_plane
from ex4d.raster.embree import EmbreeRasterizer

WIDTH, HEIGHT, FOCAL = 96, 72, 80.0
WALL_Z, CARD_Z = 6.0, 3.0
RED = np.array([0.9, 0.05, 0.05])
NOTHING: Any = None


def painted(camera: Camera) -> NDArray[np.float64]:
    """(H, W, 3) in 0..1: the wall as the camera sees it."""
    origin, directions = rays(camera)
    points = origin + directions * cast([Plane((0.0, 0.0, 1.0), WALL_Z)], camera)[0][..., None]
    return picture_at(points[..., 0] * 14, points[..., 1] * 14)


def on_card(camera: Camera, left: float | None) -> NDArray[np.bool_]:
    origin, directions = rays(camera)
    points = origin + directions * cast([Plane((0.0, 0.0, 1.0), CARD_Z)], camera)[0][..., None]
    if left is None:
        return np.zeros(points.shape[:2], np.bool_)
    return (points[..., 0] > left) & (points[..., 0] < left + 0.7) & (np.abs(points[..., 1]) < 0.6)


@dataclass
class Shot:
    """A plate in memory.

    Attributes:
        poses: (T, 4, 4) camera to world.
        card: where the card's left side is in each frame; None = there is none.
        gains: brightness of each frame.
        depth_factors: of each frame: how wrong its depth is.
        truth: encoding of the plate; None = 16 bits.
        bright: unit value of a square of the wall in floats.
    """

    poses: NDArray[np.float64]
    card: Callable[[int], float | None] = lambda index: None
    gains: NDArray[np.float64] | None = None
    depth_factors: NDArray[np.float64] | None = None
    truth: TruthEncoding | None = None
    source: Trajectory = field(init=False)

    def __post_init__(self) -> None:
        K = intrinsics(FOCAL, WIDTH, HEIGHT)
        numbers = tuple(range(1001, 1001 + len(self.poses)))
        self.source = Trajectory(K, invert_rigid(self.poses), WIDTH, HEIGHT).numbered(numbers, Fraction(25))

    def values(self, camera: Camera, index: int, *, card: bool = True) -> NDArray[np.float64]:
        """Unit values of what a camera sees at a frame's time and with its exposure."""
        picture = painted(camera)
        if card:
            picture = np.where(on_card(camera, self.card(index))[..., None], RED, picture)
        return picture * (1.0 if self.gains is None else self.gains[index])

    def z(self, camera: Camera, index: int) -> NDArray[np.float32]:
        near, far = (cast([Plane((0.0, 0.0, 1.0), z)], camera)[0] for z in (CARD_Z, WALL_Z))
        return np.where(on_card(camera, self.card(index)), near, far).astype(np.float32)

    def mesh(self, index: int) -> Any:
        factor = 1.0 if self.depth_factors is None else self.depth_factors[index]
        depth = self.z(self.source[index], index) * np.float32(factor)
        return build_mesh(depth, self.source[index], far_plane(2 * WALL_Z, WALL_Z))

    def frames(self) -> Any:
        codes = [
            DISPLAY_16.codes(np.clip(self.values(camera, index), 0, 1) * 65535)
            for index, camera in enumerate(self.source)
        ]
        frames = ArrayFrames.of(codes, Fraction(25), self.source.frame_numbers)
        if self.truth is None:
            return frames
        linear = [self.truth.values(self.values(camera, index)) for index, camera in enumerate(self.source)]
        by_number = dict(zip(frames.numbers, linear, strict=True))
        return SimpleNamespace(
            numbers=frames.numbers, truth=self.truth, read_8bit=frames.read_8bit, __len__=frames.__len__,
            read_truth=lambda number: (by_number[number], None),
        )  # fmt: skip

    def scene(self, take: Trajectory, **options: Any) -> TakeScene:
        store: Any = SimpleNamespace(
            source=self.source, read=self.mesh, far=far_plane(2 * WALL_Z, WALL_Z), pivot=WALL_Z, view=self.source
        )
        return TakeScene(_Sized(self.frames(), len(self.poses)), store, take, 0.05, EmbreeRasterizer, **options)  # type: ignore[arg-type]

    def uncover(self, take: Trajectory, index: int, **options: Any) -> tuple[OtherFrame, Measured]:
        """What other frames show in one frame of a take."""
        camera, scene = take[index], self.scene(take, **options)
        with EmbreeRasterizer().upload(self.mesh(index), scene.frames.read_truth(1001 + index)[0]) as drawn:
            frame = drawn.render(camera)
        measured = Measured(frame.color, frame.mask, frame.z)
        with OtherFrames(scene) as others:
            return others.uncover(index, measured), measured


class _Sized:
    """Frames with a length, whatever they are."""

    def __init__(self, frames: Any, count: int) -> None:
        self._frames, self._count = frames, count

    def __len__(self) -> int:
        return self._count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._frames, name)


def sliding(count: int = 12, step: float = 0.12) -> NDArray[np.float64]:
    return np.stack([rigid(rotation_y(0.01 * i), np.array([step * i, 0.0, 0.02 * i])) for i in range(count)])


def turning(count: int = 12, step: float = 0.04) -> NDArray[np.float64]:
    return np.stack([rigid(rotation_y(step * i), np.array([0.5, -0.2, 0.1])) for i in range(count)])


def zoomed_out(shot: Shot, factor: float = 1.5) -> Trajectory:
    return build_take(parse_preset(f"zoom_out:{factor}..{factor}"), shot.source, np.array([0, 0, WALL_Z]))


def crossing(index: int) -> float:
    return -1.6 + 0.3 * index


def errors(shot: Shot, take: Trajectory, index: int, found: OtherFrame) -> NDArray[np.float64]:
    """(N,) largest errors of the unit values that were found, against the wall without the card."""
    truth = shot.values(take[index], index, card=False)
    return np.asarray(np.abs(found.values / 65535 - truth).max(axis=-1)[found.known])


def test_a_moving_camera_widens_the_frame_and_the_card_is_never_copied() -> None:
    shot = Shot(sliding(), crossing)
    take = zoomed_out(shot)
    for index in (2, 6, 9):
        found, measured = shot.uncover(take, index)
        error = errors(shot, take, index, found)
        assert len(error) > 500
        assert np.percentile(error, 97) < 0.01
        # The card is 0.4 and more away from all of the wall's colours.
        assert error.max() < 0.1
        assert not (found.known & (measured.mask > 0)).any()
        z = cast([Plane((0.0, 0.0, 1.0), WALL_Z)], take[index])[0]
        np.testing.assert_allclose(found.z[found.known], z[found.known], rtol=2e-3)
        assert np.isnan(found.z[~found.known]).all()


def test_nearly_all_that_other_frames_have_seen_is_found() -> None:
    shot = Shot(sliding(), crossing)
    take = zoomed_out(shot)
    index = 6
    found, measured = shot.uncover(take, index)
    seen = np.zeros(found.known.shape, np.bool_)
    origin, directions = rays(take[index])
    points = origin + directions * cast([Plane((0.0, 0.0, 1.0), WALL_Z)], take[index])[0][..., None]
    for other, camera in enumerate(shot.source):
        pixels, _ = camera.project(points)
        inside = (pixels > 1).all(-1) & (pixels < (WIDTH - 1, HEIGHT - 1)).all(-1)
        at = np.where(inside[..., None], pixels, 0).astype(int)
        seen |= inside & ~on_card(camera, shot.card(other))[at[..., 1], at[..., 0]]
    seen &= measured.mask == 0
    # The rest is beside the card, where a rim of two pixels is left out of pictures that are 96 wide.
    assert (found.known & seen).sum() > 0.88 * seen.sum() > 400


def test_where_the_frame_itself_looks_past_it_nothing_that_left_is_put_back() -> None:
    """A card that stood there for most of the shot, and was gone in the end."""
    shot = Shot(sliding(), lambda index: 0.6 if index < 9 else 7.0)
    trucked = build_take(parse_preset("truck:-0.8..-0.8"), shot.source, np.array([0, 0, WALL_Z]))
    # From far on the left the frame's edge on the right is seen past where the card stood.
    take = build_take(parse_preset("zoom_out:3..3"), trucked, np.array([0, 0, WALL_Z]))
    found, _ = shot.uncover(take, 11)
    error = errors(shot, take, 11, found)
    assert len(error) > 200
    assert error.max() < 0.1


def test_movers_that_are_given_are_left_out() -> None:
    """A card that stands still in all frames is part of the scene, unless it is said that it moves."""
    shot = Shot(sliding(), lambda index: 1.4)
    take = zoomed_out(shot)
    found, _ = shot.uncover(take, 1)
    assert errors(shot, take, 1, found).max() > 0.3
    asked: list[int] = []

    def movers(index: int) -> NDArray[np.bool_]:
        asked.append(index)
        return on_card(shot.source[index], 1.4)

    left_out, _ = shot.uncover(take, 1, movers=movers)
    assert errors(shot, take, 1, left_out).max() < 0.1
    assert asked


@pytest.mark.parametrize("leaves", [True, False], ids=["left out", "part of the scene"])
def test_what_moves_hides_nothing_in_a_take_from_elsewhere(leaves: bool) -> None:
    """A frame has seen the wall beside the card; from the side the card would stand before it."""
    shot = Shot(sliding(2), lambda index: 0.0)
    moving = on_card(shot.source[0], 0.0) & leaves
    grids = DepthGrids(shot.scene(shot.source).mesh)
    camera = replace(shot.source[0], E=invert_rigid(rigid(np.eye(3), np.array([1.6, 0.0, 0.0]))))
    origin, directions = rays(camera)
    wall_z = cast([Plane((0.0, 0.0, 1.0), WALL_Z)], camera)[0]
    pixels, _ = shot.source[0].project(origin + directions * wall_z[..., None])
    at = np.clip(pixels, 0, (WIDTH - 1, HEIGHT - 1)).astype(int)
    beside = (pixels > 3).all(-1) & (pixels < (WIDTH - 3, HEIGHT - 3)).all(-1)
    beside &= ~cv2.dilate(moving.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)[at[..., 1], at[..., 0]]
    behind = beside & on_card(camera, 0.0)
    assert behind.sum() > 150
    sights = MeshSights(grids, lambda index: moving, EmbreeRasterizer())
    z = sights.look(0, camera).z
    sights.close()
    shows_wall = np.abs(z / wall_z - 1) < 0.01
    assert shows_wall[behind].mean() == (pytest.approx(1, abs=0.02) if leaves else pytest.approx(0, abs=0.05))


@pytest.mark.parametrize("wrong", [False, True], ids=["true depth", "wrong depth"])
def test_a_camera_that_turns_needs_no_depth(wrong: bool) -> None:
    factors = np.random.default_rng(3).uniform(0.6, 1.6, 12) if wrong else None
    shot = Shot(turning(), crossing, depth_factors=factors)
    take = zoomed_out(shot)
    assert source_turns(shot.source, WALL_Z)
    for index in (1, 6):
        found, measured = shot.uncover(take, index)
        error = errors(shot, take, index, found)
        assert np.percentile(error, 97) < 0.01
        assert error.max() < 0.15
        assert found.known.sum() > 0.25 * (measured.mask == 0).sum()
        assert len(error) > 500


def test_exposure_is_brought_to_that_of_the_frame() -> None:
    shot = Shot(sliding(), crossing, gains=np.linspace(0.6, 1.0, 12))
    take = zoomed_out(shot)
    found, _ = shot.uncover(take, 5)
    assert np.percentile(errors(shot, take, 5, found), 95) < 0.02


def test_the_truth_of_float_plates_is_found_beyond_all_working_pictures() -> None:
    """A wall a hundred times brighter than white: the working picture ends at 64."""
    shot = Shot(sliding(), gains=np.full(12, 100.0), truth=LINEAR_HALF)
    take = zoomed_out(shot)
    found, _ = shot.uncover(take, 6)
    assert found.values.dtype == np.float16
    truth = shot.values(take[6], 6)[found.known]
    assert truth.max() > 85
    assert np.percentile(np.abs(found.values[found.known] / truth - 1), 97) < 0.02


def test_overlap_says_where_both_can_be_compared() -> None:
    shot = Shot(sliding(), crossing)
    take = zoomed_out(shot)
    found, measured = shot.uncover(take, 6)
    assert found.overlap.sum() > 50
    assert not (found.overlap & (measured.mask == 0)).any()
    difference = np.abs(found.values.astype(float) - measured.values)[found.overlap] / 65535
    assert np.percentile(difference, 95) < 0.01


def test_nothing_is_done_where_nothing_is_missing() -> None:
    shot = Shot(sliding(4))
    found, measured = shot.uncover(shot.source, 2)
    assert (measured.mask == 255).all()
    assert not found.known.any()
    assert not found.values.any()


def test_kinds_of_source_cameras() -> None:
    still, turns, moves = (Shot(poses).source for poses in (sliding()[[0] * 5], turning(), sliding()))
    assert [source_stands_still(source) for source in (still, turns, moves)] == [True, False, False]
    assert [source_turns(source, WALL_Z) for source in (still, turns, moves)] == [True, True, False]


@pytest.mark.parametrize("count", [1, 2, 25, 250, 1000])
def test_candidates_cover_a_shot_of_any_length(count: int) -> None:
    chosen = candidates(count)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    assert len(chosen) <= max(26, count // WIDEST_SPACING + 2)
    assert max(np.diff(chosen), default=1) <= WIDEST_SPACING + 1


def test_frames_that_cover_the_holes_are_chosen() -> None:
    """A long pan: neighbours in time show the same; what is missing on both sides is in frames farther off."""
    shot = Shot(turning(48, 0.03))
    take, index = zoomed_out(shot), 24
    store: Any = SimpleNamespace(read=shot.mesh, far=far_plane(2 * WALL_Z, WALL_Z))
    choice = AnchorChoice(DepthGrids(store), 48, WALL_Z)
    left = np.zeros((HEIGHT, WIDTH), np.bool_)
    left[:, :20] = True
    for holes, side in ((left, -1), (left[:, ::-1], 1)):
        chosen = choice.choose(index, take[index], holes, 5)
        assert 0 < len(chosen) <= 5
        assert index not in chosen
        assert all(side * (other - index) > 0 for other in chosen)


def test_where_frames_have_not_shown_what_is_wanted_others_far_from_them_in_time_are_chosen() -> None:
    """Somebody who stands in the way stands there in the next frame too."""
    shot = Shot(sliding(48, 0.01))
    store: Any = SimpleNamespace(read=shot.mesh, far=far_plane(2 * WALL_Z, WALL_Z))
    choice = AnchorChoice(DepthGrids(store), 48, WALL_Z)
    holes = np.zeros((HEIGHT, WIDTH), np.bool_)
    holes[30:40, 40:50] = True
    first = choice.choose(4, shot.source[4], holes, 8)
    assert max(first) <= 8
    chosen = choice.choose(4, shot.source[4], holes, 8, first, spread=True)
    assert len(chosen) >= 2
    together = sorted([*first, *chosen])
    assert all(min(abs(other - before) for before in together if before != other) >= 10 for other in chosen)


def moving_share(factors: dict[int, float], guessed: set[int] | None) -> float:
    """Share of the wall in frame 5 that is taken for moving, where some frames' depth is wrong by a factor, and that of
    others is guessed; None = it is not known of any."""
    count = 12
    shot = Shot(sliding(count), depth_factors=np.array([factors.get(index, 1.0) for index in range(count)]))
    measured = None if guessed is None else lambda index: np.full((HEIGHT, WIDTH), index not in guessed)
    grids = DepthGrids(shot.scene(shot.source).mesh, measured)
    return float(moving_by_depth(grids[5], [grids[index] for index in range(count) if index != 5], 0.03).mean())


def test_a_guess_that_disagrees_is_no_movement() -> None:
    nearer, all_but_it_farther = {5: 0.92}, {index: 1.3 for index in range(12) if index != 5}
    assert moving_share(nearer, None) > 0.8
    assert moving_share(nearer, set()) > 0.8
    assert moving_share(nearer, {5}) == 0
    # Nor do guesses witness that something has left: what was measured does, whatever it is held against.
    assert moving_share(all_but_it_farther, set()) > 0.8
    assert moving_share(all_but_it_farther, set(all_but_it_farther)) == 0
    assert moving_share({5: 0.6}, {5}) > 0.8


def test_guessed_depth_loses_nothing_of_what_other_frames_show() -> None:
    """Depths of the frames disagree by more than the tolerance, as guesses do."""
    shot = Shot(sliding(), depth_factors=np.where(abs(np.arange(12) - 6) < 2, 1.12, 1.0))
    take = zoomed_out(shot)
    unknown, _ = shot.uncover(take, 6)
    found, _ = shot.uncover(take, 6, measured=lambda index: np.zeros((HEIGHT, WIDTH), np.bool_))
    exact, _ = Shot(sliding()).uncover(take, 6)
    assert found.known.sum() > 0.9 * exact.known.sum()
    assert unknown.known.sum() < 0.7 * exact.known.sum()


class _Sunken(Shot):
    """What all frames but one guess of the card's depth is too far, so that it hides behind what the one guesses."""

    def z(self, camera: Camera, index: int) -> NDArray[np.float32]:
        """See ``Shot``."""
        z = super().z(camera, index)
        return z if index == 6 else np.where(z == CARD_Z, np.float32(1.5 * CARD_Z), z)


def test_in_its_own_picture_no_guess_that_may_move_is_put_into_a_frame() -> None:
    shot = _Sunken(sliding(), lambda index: 0.2 * index - 1.2)
    take = build_take(parse_preset("truck:-0.6..-0.6"), shot.source, np.array([0, 0, WALL_Z]))
    found, _ = shot.uncover(take, 6, measured=lambda index: np.zeros((HEIGHT, WIDTH), np.bool_))
    origin, directions = rays(take[6])
    shown = origin + directions * np.where(found.known, found.z, 1)[..., None]
    pixels, _ = shot.source[6].project(shown)
    inside = (pixels > 0).all(-1) & (pixels < (WIDTH, HEIGHT)).all(-1)
    error = errors(shot, take, 6, replace(found, known=found.known & inside))
    assert len(error) > 100
    assert error.max() < 0.1


def test_measured_depth_goes_before_guesses_and_of_these_the_most_alike_view() -> None:
    shape = (HEIGHT, WIDTH)
    everywhere, nowhere = np.ones(shape, np.bool_), np.zeros(shape, np.bool_)

    def sight(index: int, z: float, guessed: NDArray[np.bool_] | None) -> Sight:
        return Sight(index, np.full(shape, z, np.float32), everywhere, guessed)

    def says(*sights: Sight) -> list[float]:
        gathered = gather(sights, [1.0] * len(sights), everywhere, 0.03, by_depth=True)
        return [float(say[HEIGHT // 2, WIDTH // 2]) for say in gathered]

    assert says(sight(0, 6, everywhere), sight(1, 7, nowhere)) == [0, 1]
    assert says(sight(0, 6, everywhere), sight(1, 5, everywhere)) == [1, 0]
    assert says(sight(0, 6, nowhere), sight(1, 5, nowhere)) == [0, 1]
    assert says(sight(0, 6, None), sight(1, 5, None)) == [0, 1]
    assert says(sight(0, 6, everywhere), sight(1, 6.1, everywhere)) == [0.5, 0.5]


def test_witnesses_are_near_and_far() -> None:
    chosen = witnesses(10, range(0, 60, 2))
    assert len(chosen) == WITNESSES
    assert 10 not in chosen
    assert {8, 12} <= set(chosen)
    assert min(chosen) <= 4
    assert max(chosen) == 58
    assert witnesses(0, [0]) == []


def test_codes_of_a_curve_are_shifted_by_a_change_of_exposure_and_others_multiplied() -> None:
    values = np.random.default_rng(0).uniform(0.1, 0.4, (500, 3))
    codes = TruthEncoding("codes", "uint16", 0, 65535)
    log = match_exposure(codes.values(values), codes.values(values + 0.1), codes)
    np.testing.assert_allclose(log.shift, 0.1, atol=1e-4)
    np.testing.assert_allclose(log.gain, 1)
    linear = match_exposure(values.astype(np.float16), (2 * values).astype(np.float16), LINEAR_HALF)
    np.testing.assert_allclose(linear.gain, 2, rtol=1e-3)
    # What hardly differs stays to the bit, and few pixels tell nothing.
    assert match_exposure(values.astype(np.float16), (1.005 * values).astype(np.float16), LINEAR_HALF) is SAME
    assert match_exposure(values[:10].astype(np.float16), values[:10].astype(np.float16) * 2, LINEAR_HALF) is SAME


def test_a_frame_with_what_others_show() -> None:
    mask = np.array([[255, 0, 0]], np.uint8)
    color, z = np.full((1, 3, 3), 10, np.uint8), np.array([[1, 2, np.nan]], np.float32)
    known = np.array([[False, True, False]])
    other = OtherFrame(np.full((1, 3, 3), 50, np.uint8), known, ~known, np.array([[np.nan, 5, np.nan]], np.float32))
    frame = TakeFrame(1, color, mask, z, other).with_other_frames()
    assert frame.mask.tolist() == [[255, 255, 0]]
    assert frame.color[0, :, 0].tolist() == [10, 50, 10]
    np.testing.assert_array_equal(frame.z, np.array([[1, 5, np.nan]], np.float32))
    assert frame.other is None
    bare = TakeFrame(1, color, mask, z)
    assert bare.with_other_frames() is bare
    nothing = replace(bare, other=replace(other, known=np.zeros_like(known)))
    assert nothing.with_other_frames() is nothing
