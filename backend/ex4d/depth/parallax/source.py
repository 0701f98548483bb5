# SPDX-License-Identifier: Apache-2.0
"""Parallax as a source of depth; see the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth.affine import NEAR_PERCENTILE, NEAR_Z
from ex4d.depth.base import STATIC_NOTE, DepthFrame, DepthResult, DepthSink, DepthSource, camera_apart
from ex4d.depth.frame_maps import FrameMaps
from ex4d.depth.parallax import (
    agreement,
    background,
    borders,
    cards,
    gaps,
    local_fit,
    mirrors,
    movers,
    outlines,
    uncovered,
)
from ex4d.depth.parallax.flows import Flows
from ex4d.depth.parallax.matching import THREADS, create_matcher
from ex4d.depth.parallax.neighbours import Choice, choose
from ex4d.depth.parallax.semi_global import MOST_COST
from ex4d.depth.parallax.sightings import find_points, sightings
from ex4d.depth.parallax.sky import FAR_STEPS, endless, far_end, plain_sky, sky
from ex4d.depth.parallax.sweep import Neighbour
from ex4d.depth.parallax.views import Passage
from ex4d.depth.parallax.working import WorkingFrames
from ex4d.depth.plate_pixels import estimate_in_square_pixels
from ex4d.depth.solved import camera_inputs
from ex4d.media.frames import FrameSource
from ex4d.stages.plate_pixels import on_plate
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import prefetched

Array = NDArray[np.float64]
Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Pixels of the longer side that are measured; plates that are larger are measured smaller.
LONGEST = 1024
#: Fewer points than this in the whole shot, and nothing can be measured.
LEAST_POINTS = 24
#: What the chosen plane of a measurement may cost.
MOST_SHOWN_COST = 0.35 * MOST_COST
#: Share of the picture that a measured part has at least.
LEAST_ISLAND = 5e-4
#: Frames before and after one that make its final map steady, and the share of the disparity that is one surface.
STEADY, STEADY_SHARE = (1, 2, 3), 0.06
#: What is not the sky is nowhere farther than this many times the farthest measured surface.
FARTHER_THAN_MEASURED = 1.5
#: Frames, and every so many of their pixels, that tell where the near end of the shot is.
SAMPLE_FRAMES, SAMPLED = 32, 7


@dataclass(frozen=True)
class Mattes:
    """Pictures of what moves, drawn by people.

    Attributes:
        frames: white where something moves.
        key: tells these from others.
        numbers: of the matte for each frame of the plate.
    """

    frames: FrameSource
    key: str
    numbers: tuple[int, ...]


@dataclass
class _Shot:
    """What is known of each frame while a shot is measured.

    Attributes:
        choices: neighbours and planes.
        measured: disparities, NaN = not measured.
        surface: those of all pixels, believed or not.
        estimate: the estimator's disparity.
        final: disparities of all pixels, 0 = sky.
        flags: bit 0 = measured, bit 1 = moves, bit 2 = a sky without texture; of its own flow alone: bit 3 = moves, bit
            4 = is seen at rest; bit 5 = stands before what other frames measured.
        flows: between the frames.
    """

    frames: WorkingFrames
    choices: list[Choice]
    surface: FrameMaps
    cost: FrameMaps
    measured: FrameMaps
    estimate: FrameMaps
    final: FrameMaps
    flags: FrameMaps
    flows: Flows

    def __len__(self) -> int:
        return len(self.choices)

    def passage(self, start: int, end: int) -> Passage:
        return Passage.between(self.frames.cameras, start, end)

    def sides(self, index: int, indices: Sequence[int]) -> list[list[Passage]]:
        """Passages from a frame to earlier and to later ones."""
        return [[self.passage(index, k) for k in indices if (k > index) is later] for later in (False, True)]

    def step(self, index: int) -> float:
        """Of disparity between two planes."""
        planes = self.choices[index].disparities
        return float(planes[1] - planes[0])

    def near_enough(self, index: int) -> Float:
        """What was measured and is not as good as infinitely far away."""
        measured = self.measured[index]
        with np.errstate(invalid="ignore"):
            return np.where(measured > FAR_STEPS * self.step(index), measured, np.float32(np.nan))

    def look(self, start: int, end: int) -> movers.Look:
        flow, leads_back = self.flows.between(start, end)
        return movers.Look(self.frames.grey_8bit(end), self.passage(start, end), flow, leads_back)

    def around(self, index: int, distance: int) -> list[int]:
        """Frames so far before and after one."""
        return [other for other in (index - distance, index + distance) if 0 <= other < len(self)]


#: What an outline's pixels are offered lies so near.
_BESIDE = np.ones((2 * outlines.REACH + 1, 2 * outlines.REACH + 1), np.uint8)
_MEASURED, _MOVES, _PLAIN_SKY, _FLOWS, _RESTS, _HIDES = (np.uint8(1 << bit) for bit in range(6))


@dataclass(frozen=True)
class ParallaxDepth:
    """``DepthSource``: measured from the parallax of a solved camera, with an estimator where that says nothing.

    Attributes:
        estimator: what estimates.
        camera: the solved camera, by the plate's frame numbers or one per frame; shot world.
        points: (N, 3) solved points in the shot's world; empty = they are found here.
        mattes: of what moves; None = it is found.
        keeps_world: whether the camera's unit stays; else the near end of the shot is put at depth 1.
        longest: see ``LONGEST``.
    """

    estimator: DepthSource
    camera: Trajectory
    points: Array = field(default_factory=lambda: np.empty((0, 3)))
    mattes: Mattes | None = None
    keeps_world: bool = False
    longest: int = LONGEST

    name = "parallax"
    tolerance = 0.03

    @property
    def label(self) -> str:
        """See ``DepthSource``."""
        return f"measured from parallax; gaps: {self.estimator.label}"

    @property
    def licence(self) -> str:
        """See ``DepthSource``."""
        return self.estimator.licence

    def prepare(self) -> str:
        """See ``DepthSource``."""
        return self.estimator.prepare()

    def inputs(self) -> dict[str, Any]:
        """See ``DepthSource``."""
        return {
            "parallax": 6,
            "estimator": [self.estimator.name, self.estimator.inputs()],
            **camera_inputs(self.camera, self.points),
            "mattes": self.mattes.key if self.mattes else None,
            "keeps_world": self.keeps_world,
            "longest": self.longest,
        }

    def steps(self, frames: FrameSource) -> int:
        """See ``DepthSource``."""
        return self.estimator.steps(frames) + 5 * len(frames)

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource``."""
        camera = on_plate(self.camera.for_frames(frames.numbers, frames.fps, "The solved camera"), frames)
        working = WorkingFrames.of(frames, camera, self.longest, scratch / "pictures")
        working.load(progress.advance)
        estimates = FrameMaps(scratch / "estimate", working.size[::-1], np.float32)
        keeper = _Estimates(working, estimates)
        inner = estimate_in_square_pixels(self.estimator, frames, keeper, make_folder(scratch / "estimator"), progress)
        notes = [*camera.notes, *camera_apart(inner.notes)]
        points = self.points if len(self.points) >= LEAST_POINTS else find_points(working.grey_8bit, working.cameras)
        shot = self._shot(working, points, estimates, scratch)
        if shot is None:
            return self._unmeasured(frames, camera, working, estimates, sink, progress, notes)
        self._measure(shot, progress)
        self._agree(shot, progress)
        self._fill(shot, progress)
        return self._write(shot, frames, camera, sink, progress, notes)

    def _shot(self, working: WorkingFrames, points: Array, estimates: FrameMaps, scratch: Path) -> _Shot | None:
        """What is to be measured; None where no frame shows parallax."""
        if len(points) < LEAST_POINTS:
            return None
        count = len(working.cameras)
        choices = [choose(working.cameras, index, sightings(points, working.cameras, index)) for index in range(count)]
        if not any(choice.indices for choice in choices):
            return None
        shape = working.size[::-1]

        def maps(name: str, dtype: type = np.float32) -> FrameMaps:
            return FrameMaps(scratch / name, shape, dtype)

        return _Shot(
            working,
            choices,
            maps("surface"),
            maps("cost", np.uint8),
            maps("measured"),
            estimates,
            maps("final"),
            maps("flags", np.uint8),
            Flows(working.grey_8bit),
        )

    def _measure(self, shot: _Shot, progress: Progress) -> None:
        """First pass: each frame by itself."""
        frames = shot.frames
        with closing(create_matcher()) as matcher:
            for index, choice in enumerate(shot.choices):
                grey = frames.grey(index)
                if not choice.indices:
                    shot.surface[index] = np.full(grey.shape, np.nan, np.float32)
                    shot.cost[index] = np.full(grey.shape, MOST_COST, np.uint8)
                else:
                    match = matcher.match(grey, self._neighbours(shot, index, choice.indices), choice.disparities)
                    if choice.nearer:
                        near = self._neighbours(shot, index, choice.nearer.indices)
                        nearer = matcher.match(grey, near, choice.nearer.disparities)
                        match = borders.completed(match, nearer, shot.sides(index, choice.indices))
                    shot.surface[index], shot.cost[index] = match.disparity, match.cost
                progress.advance()

    @staticmethod
    def _neighbours(shot: _Shot, index: int, indices: Sequence[int]) -> list[Neighbour]:
        return [Neighbour(shot.frames.grey(k), shot.passage(index, k), k > index) for k in indices]

    def _agree(self, shot: _Shot, progress: Progress) -> None:
        """Second pass: what other frames confirm, to the picture's outlines."""
        for index, measured in enumerate(_on_threads(lambda index: self._agreed(shot, index), len(shot))):
            shot.measured[index] = measured
            progress.advance()

    def _agreed(self, shot: _Shot, index: int) -> Float:
        frames, own, choice = shot.frames, shot.surface[index], shot.choices[index]
        if not choice.indices:
            return np.full(own.shape, np.nan, np.float32)
        sides = self._asked(shot, index, choice.indices)
        confirmed, mean = agreement.is_confirmed(sides), agreement.mean(own, sides)
        every = choice.indices
        if choice.nearer:
            every = tuple(sorted({*choice.indices, *choice.nearer.indices}))
            little = borders.shown_too_little(own, shot.sides(index, choice.indices))
            sides = self._asked(shot, index, every)
            by_all = agreement.is_confirmed(sides) | agreement.is_confirmed_by_the_only_one(sides)
            confirmed = np.where(little, by_all, confirmed)
            mean = np.where(little, agreement.mean(own, sides), mean)
        believed = confirmed & (shot.cost[index] <= MOST_SHOWN_COST)
        believed = agreement.without_islands(believed, round(LEAST_ISLAND * own.size))
        surface = np.asarray(cv2.medianBlur(mean, 3), np.float32)
        looks = [(_padded(frames.pictures[k]), shot.passage(index, k), k > index) for k in every]
        sharp, unclear = outlines.sharpened(surface, _padded(frames.pictures[index]), looks, shot.step(index))
        # A pixel at an outline may go over to a far side that nothing confirms, a plain wall's say. That it is
        # infinitely far away is believed where what is beside it was.
        endless_here = surface < FAR_STEPS * shot.step(index)
        beside = cv2.dilate((believed & endless_here).astype(np.uint8), _BESIDE) > 0
        unclear |= (sharp < FAR_STEPS * shot.step(index)) & ~endless_here & ~beside
        return np.where(believed & ~unclear, sharp, np.float32(np.nan))

    @staticmethod
    def _asked(shot: _Shot, index: int, indices: Sequence[int]) -> list[agreement.Answers]:
        """What the frames of each side in time say of a frame's surface."""
        own, sides = shot.surface[index], []
        for is_later in (False, True):
            asked = [k for k in indices if (k > index) is is_later]
            others = [agreement.OtherMap(shot.surface[k], shot.passage(index, k)) for k in asked]
            if others:
                sides.append(agreement.ask(own, others, shot.step(index)))
        return sides

    def _fill(self, shot: _Shot, progress: Progress) -> None:
        """Third pass: things that move and gaps."""
        frames, count = shot.frames, len(shot)
        pairs = ((shot.estimate[index], shot.near_enough(index)) for index in range(count))
        line = local_fit.shot_line(pairs, count) or (1.0, 0.0, 1e-6)
        farthest = line[2] * local_fit.FARTHEST / FARTHER_THAN_MEASURED
        far = far_end((shot.estimate[index], frames.grey_8bit(index)) for index in range(count))
        standing = cards.Cards()
        for index, hides in enumerate(_on_threads(lambda index: self._hides(shot, index), count)):
            shot.flags[index] = np.where(hides, _HIDES, np.uint8(0))

        def fitted(index: int) -> tuple[Float, Float, NDArray[np.uint8]]:
            picture, measured = frames.pictures[index], shot.measured[index]
            is_sky = plain_sky(np.isfinite(measured), shot.estimate[index], frames.grey_8bit(index), far)
            measured = np.where(is_sky, np.float32(np.nan), measured)
            plain = local_fit.on_line(shot.estimate[index], line)
            mirrored = mirrors.reflections(measured, plain) & ~endless(measured, shot.step(index))
            measured = np.where(mirrored, np.float32(np.nan), measured)
            # Not before: a reflection is told by the hole that it is, and without specks it is in pieces.
            measured = agreement.without_specks(measured, shot.step(index), round(LEAST_ISLAND * measured.size))
            estimate = local_fit.fitted_locally(plain, measured, picture)
            moves, rests = self._moving(shot, index, measured, estimate, line[2] * local_fit.FARTHEST)
            moves = movers.without_clouds(moves, is_sky)
            flags = np.where(moves, _FLOWS, np.where(is_sky, _PLAIN_SKY, 0)) | np.where(rests, _RESTS, 0)
            flags = flags | (shot.flags[index] & _HIDES)
            return np.where(moves, np.float32(np.nan), measured), estimate, flags.astype(np.uint8)

        for index, (measured, estimate, flags) in enumerate(_on_threads(fitted, count)):
            shot.measured[index], shot.estimate[index], shot.flags[index] = measured, estimate, flags

        uncovered_maps = _on_threads(lambda index: self._uncovered(shot, index), count)
        for index, (measured, ground, moves) in enumerate(uncovered_maps):
            standing.add(moves, ground)
            shot.final[index] = measured
            flags, known = shot.flags[index], np.isfinite(measured)
            flags = np.where(known, flags & ~_PLAIN_SKY | _MEASURED, flags)
            shot.flags[index] = np.where(moves, flags & ~_PLAIN_SKY | _MOVES, flags)

        def whole(index: int) -> Float:
            picture, measured, estimate = frames.pictures[index], shot.final[index], shot.estimate[index]
            moves = (shot.flags[index] & _MOVES) > 0
            known = np.isfinite(measured)
            full = gaps.filled(np.where(known, measured, 0), known, estimate, picture, hidden=moves)
            full = cards.placed(full, moves, standing.disparities(index), estimate)
            is_sky = sky(full, known, estimate, frames.grey_8bit(index), shot.step(index))
            is_sky = (is_sky | ((shot.flags[index] & _PLAIN_SKY) > 0)) & ~moves
            return np.where(is_sky, np.float32(0), np.maximum(full, np.float32(farthest)))

        for index, values in enumerate(_on_threads(whole, count)):
            shot.final[index] = values
            progress.advance()

    def _uncovered(self, shot: _Shot, index: int) -> tuple[Float, Float, Bool]:
        """What was measured in a frame or, where nothing was, in others; the same without gaps; and what moves."""
        picture, measured = shot.frames.pictures[index], shot.measured[index]
        moves, known = self._moving_in_time(shot, index, measured), np.isfinite(measured)
        guess = gaps.filled(np.where(known, measured, 0), known, shot.estimate[index], picture, together=False)
        sights = [
            uncovered.Sight(shot.measured[k], shot.frames.pictures[k], shot.passage(index, k))
            for k in (index + sign * distance for distance in uncovered.DISTANCES for sign in (-1, 1))
            if 0 <= k < len(shot)
        ]
        elsewhere = uncovered.seen_elsewhere(guess, picture, sights)
        shown = np.isfinite(elsewhere) & ~known & ((shot.flags[index] & _PLAIN_SKY) == 0)
        if self.mattes is None:
            moves, known = movers.without(moves, shown), known | shown
            strange = gaps.strangeness(np.where(shown, elsewhere, np.nan_to_num(measured)), known, picture)
            moves = movers.whole(moves, (shot.flags[index] & _HIDES) > 0, picture, known, strange)
        measured = np.where(shown & ~moves, elsewhere, measured)
        # Only against a guess that takes the near surface beside it: outlines that others measured are no sharper.
        behind = self._background(shot, index).shown
        with np.errstate(invalid="ignore"):
            more = ~np.isfinite(measured) & ~moves & (behind * gaps.SAME_SURFACE < guess)
        measured = np.where(more, behind, measured)
        measured = agreement.without_specks(measured, shot.step(index), round(LEAST_ISLAND * measured.size))
        return measured, np.where(np.isfinite(measured), measured, guess), moves

    def _hides(self, shot: _Shot, index: int) -> Bool:
        """Where a frame shows something before what others measured, (H, W); nobody asks where people drew it."""
        if self.mattes is not None:
            return np.zeros(shot.measured[index].shape, bool)
        return self._background(shot, index).hidden

    def _background(self, shot: _Shot, index: int) -> background.Background:
        """What other frames know of what was not measured in a frame."""
        sights = [
            background.Sight(shot.measured[k], shot.frames.pictures[k], shot.passage(k, index), shot.passage(index, k))
            for distance in background.DISTANCES
            for k in shot.around(index, distance)
        ]
        return background.seen_behind(shot.frames.pictures[index], sights, ~np.isfinite(shot.measured[index]))

    def _moving(self, shot: _Shot, index: int, measured: Float, estimate: Float, far: float) -> tuple[Bool, Bool]:
        """What moves, (H, W): as people drew it, else as its flow tells; and what is seen at rest."""
        if self.mattes is not None:
            return self._drawn(shot, index, self.mattes), np.zeros(measured.shape, bool)
        picture, known = shot.frames.pictures[index], np.isfinite(measured)
        guess = gaps.filled(np.where(known, measured, 0), known, estimate, picture, together=False)
        looks = [[shot.look(index, k) for k in shot.around(index, distance)] for distance in movers.FLOW_FRAMES]
        residual, rests = movers.motion(shot.frames.grey_8bit(index), looks, guess, far)
        return movers.moving_parts(residual, rests, picture, measured), rests

    def _moving_in_time(self, shot: _Shot, index: int, measured: Float) -> Bool:
        """What moves, (H, W), where frames nearby bear that out."""
        flags = shot.flags[index]
        mask = (flags & _FLOWS) > 0
        if self.mattes is not None:
            return mask
        others = [k for distance in movers.ASKED_FRAMES for k in shot.around(index, distance)]
        masks = [((shot.flags[k] & _FLOWS) > 0, shot.look(index, k)) for k in others]
        return movers.in_time(mask, ~np.isfinite(measured) & ((flags & _RESTS) == 0), masks)

    @staticmethod
    def _drawn(shot: _Shot, index: int, mattes: Mattes) -> Bool:
        """What moves, (H, W), as people drew it."""
        drawn = mattes.frames.read_8bit(mattes.numbers[index])
        grey = cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY).astype(np.float32)
        height, width = shot.frames.plate.size[::-1]
        if grey.shape != (height, width):
            grey = np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        return shot.frames.from_plate(index, grey) > 127

    def _write(
        self,
        shot: _Shot,
        frames: FrameSource,
        camera: Trajectory,
        sink: DepthSink,
        progress: Progress,
        notes: list[str],
    ) -> DepthResult:
        """Last pass: made steady over time, and written in the plate's pixels."""
        count = len(shot)
        picked = np.unique(np.linspace(0, count - 1, min(count, SAMPLE_FRAMES)).round().astype(int))
        sample = np.concatenate([shot.final[int(index)].reshape(-1)[::SAMPLED] for index in picked])
        unit = 1.0 if self.keeps_world else float(np.percentile(sample[sample > 0], NEAR_PERCENTILE)) * NEAR_Z
        shares = []

        def steady(index: int) -> tuple[Float, NDArray[np.uint8]]:
            own, flags = shot.final[index], shot.flags[index]
            moves = (flags & _MOVES) > 0
            others, said = [], []
            picture = shot.frames.pictures[index]
            for k in (k for distance in STEADY for k in shot.around(index, distance)):
                still = np.where((shot.flags[k] & _MOVES) > 0, np.float32(np.nan), shot.final[k])
                passage = shot.passage(index, k)
                others.append(agreement.OtherMap(still, passage))
                there = passage.positions(own)
                unlike = agreement.unlike(picture, shot.frames.pictures[k], there)
                said.append(np.where(unlike, np.float32(np.nan), agreement.seen_at(there, still)))
            # What most frames say first: where a gap was filled, neighbours may have chosen other surfaces.
            middle = agreement.middle(own, said)
            mean = agreement.ask(middle, others, 0.0, STEADY_SHARE).mean(middle)
            w = np.where(moves | (own <= 0), own, mean)
            guessed = (flags & (_MEASURED | _MOVES)) == 0
            w = gaps.without_specks(w, guessed, shot.step(index), round(LEAST_ISLAND * w.size))
            return shot.frames.to_plate(index, w, flags)

        for number, (w, flags) in zip(frames.numbers, _on_threads(steady, count), strict=True):
            measured, moves = (flags & _MEASURED) > 0, (flags & _MOVES) > 0
            shares.append(float(measured.mean()))
            with np.errstate(divide="ignore"):
                sink.write(DepthFrame(number, (np.float32(unit) / w).astype(np.float32), measured, moves))
            progress.advance()
        notes.append(f"Depth was measured from parallax in {np.mean(shares):.0%} of the pixels; the rest is estimated.")
        return DepthResult(_scaled(camera, unit), poses_known=True, intrinsics_known=True, notes=tuple(notes))

    def _unmeasured(
        self,
        frames: FrameSource,
        camera: Trajectory,
        working: WorkingFrames,
        estimates: FrameMaps,
        sink: DepthSink,
        progress: Progress,
        notes: list[str],
    ) -> DepthResult:
        """The estimator's depth, where no frame shows parallax."""
        for index, number in enumerate(frames.numbers):
            w, flags = working.to_plate(index, estimates[index], np.zeros(working.size[::-1], np.uint8))
            with np.errstate(divide="ignore"):
                sink.write(DepthFrame(number, (1 / w).astype(np.float32), flags > 0))
            progress.advance()
        notes.append(
            "No parallax is seen in these frames, so their depth is only estimated: the solved camera's lens is used, "
            f"its motion is not. {STATIC_NOTE}"
        )
        still = replace(camera, E=np.broadcast_to(np.eye(4), camera.E.shape))
        return DepthResult(still, poses_known=False, intrinsics_known=True, notes=tuple(notes))


@dataclass(frozen=True)
class _Estimates:
    """A ``DepthSink`` that keeps an estimator's maps as disparities of the working pictures."""

    frames: WorkingFrames
    maps: FrameMaps

    def write(self, frame: DepthFrame) -> None:
        index, depth = self.frames.plate.numbers.index(frame.number), frame.depth
        with np.errstate(divide="ignore", invalid="ignore"):
            disparity = np.where(depth > 0, 1 / depth, np.float32(np.nan)).astype(np.float32)
        self.maps[index] = self.frames.from_plate(index, disparity)


def _padded(picture: NDArray[np.uint8]) -> Float:
    """Four channels of float32, of which OpenCV samples faster than of three."""
    return np.dstack([picture, picture[..., :1]]).astype(np.float32)


def _scaled(camera: Trajectory, unit: float) -> Trajectory:
    """The camera in a world whose lengths are ``unit`` times as long."""
    E = camera.E.copy()
    E[:, :3, 3] *= unit
    return replace(camera, E=E)


def _on_threads(call: Any, count: int) -> Iterator[Any]:
    """``call(index)`` of all frames in order, several at a time."""
    return prefetched(call, range(count), ahead=THREADS, threads=THREADS)
