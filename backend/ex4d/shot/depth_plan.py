# SPDX-License-Identifier: Apache-2.0
"""How a plate gets its source camera and its depth: what is known before, and what the solve decides."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import read_trajectory
from ex4d.depth.base import DepthSource, KnownMovers, Movers
from ex4d.depth.estimators import create_estimator
from ex4d.depth.files import FileDepth
from ex4d.depth.parallax.neighbours import LEAST_OF_SHOT, parallax_share
from ex4d.depth.parallax.source import LEAST_POINTS, Mattes, ParallaxDepth
from ex4d.depth.parallax.turning_movers import TurningMovers
from ex4d.depth.plate_camera import has_own_camera
from ex4d.depth.solved import SolvedDepth
from ex4d.media.frames import FrameSource
from ex4d.media.lens_tags import LensTags
from ex4d.plate import PlateInfo
from ex4d.protocol.values import MAX_FOV_DEG, MIN_FOV_DEG
from ex4d.solve import Solve, SolveOptions


@dataclass(frozen=True)
class DepthPlan:
    """See the module.

    Attributes:
        source: of the depth: files, an estimator, or one with a camera that was given.
        solve: what the solve of the source camera is told; None = nobody asks how it moves.
        measured: whether depth is measured from parallax where the camera moves.
        keeps_still: whether nobody asks because the shot was reconstructed when no camera was solved.
        lens: focal length and sensor that were given; None = they were not.
        given: file of cameras that ``solve`` is to be around; None = there is none.
        points: (N, 3) float64 that came with given cameras, in their world: they count where the plate shows no
            points of its own; None = none came.
        mattes: path of pictures of what moves by itself, where depth is measured; None = it is found.
    """

    source: DepthSource
    solve: SolveOptions | None = None
    measured: bool = True
    keeps_still: bool = False
    lens: LensTags | None = None
    given: Path | None = None
    points: NDArray[np.float64] | None = None
    mattes: str | None = None

    def of_plate(self, plate: PlateInfo) -> tuple[DepthPlan, str | None]:
        """The plan with the cameras and the lens that were given, or the lens that the plate's files tell.

        Returns:
            the plan, and a sentence on what the files tell; None where nothing of it is used.

        Raises:
            BadInputError: the file of cameras cannot be used.
        """
        window = plate.facts.frame
        width, height = (window.width, window.height) if window is not None else (plate.width, plate.height)
        if self.given is not None and self.solve is not None:
            around = replace(self.solve, given=read_trajectory(self.given, (width, height)))
            return replace(self, solve=around, given=None).of_plate(plate)
        shape = (float(width * plate.facts.pixel_aspect), float(height))
        if self.lens is not None:
            return self._with_fov(self.lens.fov_deg(*shape), known=True), None
        told = plate.facts.lens
        if told is None or not self._takes_told or plate.facts.pixel_aspect != 1:
            return self, None
        fov = told.fov_deg(*shape)
        if not MIN_FOV_DEG <= fov <= MAX_FOV_DEG:
            return self, None
        note = f"The plate's files tell the lens: {told}, a field of view of {fov:.1f}° over the longer side."
        return self._with_fov(fov, known=False), note

    @property
    def _takes_told(self) -> bool:
        """Whether a lens is missing that the plate's files may tell. Where nobody asks for a camera it is not: shots of
        before were made without, files of depth and the released construction have a lens of their own."""
        if self.solve is None or self.solve.fov_known or self.solve.given is not None:
            return False
        return getattr(self.source, "fov_deg", None) is None

    def _with_fov(self, fov_deg: float, *, known: bool) -> DepthPlan:
        source, solve = self.source, self.solve
        if isinstance(source, FileDepth):
            source = replace(source, fov_deg=fov_deg)
        elif not has_own_camera(source):
            source = create_estimator(source.name, fov_deg)
        if solve is not None:
            solve = replace(solve, fov_deg=fov_deg, fov_known=known)
        return replace(self, source=source, solve=solve)

    def solved(self, frames: FrameSource) -> SolveOptions | None:
        """What the solve is told of these frames; None = nothing is solved: a camera that stands still needs no look,
        and one frame tells nothing."""
        options = self.solve
        if options is None or options.given is not None:
            return options
        is_idle = options.source_camera == "still" or (options.source_camera == "auto" and len(frames) == 1)
        return None if is_idle else options

    def measures(self, solve: Solve | None) -> bool:
        """Whether depth is measured from parallax: the camera was found to move, and shows enough of it."""
        return self._may_measure(solve) and self._too_little(solve) is None

    def _may_measure(self, solve: Solve | None) -> TypeGuard[Solve]:
        return solve is not None and solve.kind == "moves" and self.measured

    def _points(self, solve: Solve) -> NDArray[np.float64]:
        return solve.points.xyz if len(solve.points) or self.points is None else self.points

    def _too_little(self, solve: Solve) -> str | None:
        """The sentence that says why nothing is measured of a camera that moves; None where it may be: of few points
        that is not known before the pictures are looked at."""
        points = self._points(solve)
        if len(points) < LEAST_POINTS:
            return None
        share = parallax_share(solve.camera, points)
        if share >= LEAST_OF_SHOT:
            return None
        return (
            f"The shot shows parallax over {share:.1%} of the width at most, too little to measure depth from "
            f"({LEAST_OF_SHOT:.0%} are needed): it is estimated, and fitted to the solved points."
        )

    def chosen(self, solve: Solve | None, mattes: Mattes | None = None) -> DepthSource:
        """The source of depth.

        Args:
            solve: what was found; None = nothing was solved.
            mattes: of ``mattes``, where it ``measures``.
        """
        if solve is None or solve.kind == "still":
            return self.source
        points = self._points(solve)
        if self.measures(solve):
            return ParallaxDepth(self.source, solve.camera, points, mattes, keeps_world=True)
        why = self._too_little(solve) if self._may_measure(solve) else None
        return SolvedDepth(self.source, solve.camera, points, _movers(solve), () if why is None else (why,))


def _movers(solve: Solve) -> Movers:
    """How it is found what moves by itself: where the camera only turns by the pictures, else by the solve's tracks."""
    if solve.kind == "turns":
        return TurningMovers()
    digest = hashlib.sha256()
    for values in (solve.tracks.frame, solve.tracks.track, solve.tracks.xy, solve.moving, solve.on_screen):
        digest.update(np.ascontiguousarray(values).tobytes())
    return KnownMovers(solve.moving_mask, digest.hexdigest())
