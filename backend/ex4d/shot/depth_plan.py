# SPDX-License-Identifier: Apache-2.0
"""How a plate gets its source camera and its depth: what is known before, and what the solve decides."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ex4d.depth.base import DepthSource, KnownMovers
from ex4d.depth.parallax.source import Mattes, ParallaxDepth
from ex4d.depth.solved import SolvedDepth
from ex4d.media.frames import FrameSource
from ex4d.solve import Solve, SolveOptions


@dataclass(frozen=True)
class DepthPlan:
    """See the module.

    Attributes:
        source: of the depth: files, an estimator, or one with a camera that was given.
        solve: what the solve of the source camera is told; None = nobody asks how it moves.
        measured: whether depth is measured from parallax where the camera moves.
        keeps_still: whether nobody asks because the shot was reconstructed when no camera was solved.
        mattes: path of pictures of what moves by itself, where depth is measured; None = it is found.
    """

    source: DepthSource
    solve: SolveOptions | None = None
    measured: bool = True
    keeps_still: bool = False
    mattes: str | None = None

    def solved(self, frames: FrameSource) -> SolveOptions | None:
        """What the solve is told of these frames; None = nothing is solved: a camera that stands still needs no look,
        and one frame tells nothing."""
        options = self.solve
        if options is None or options.given is not None:
            return options
        is_idle = options.source_camera == "still" or (options.source_camera == "auto" and len(frames) == 1)
        return None if is_idle else options

    def measures(self, solve: Solve | None) -> bool:
        """Whether depth is measured from parallax, as the camera was found to move."""
        return solve is not None and solve.kind == "moves" and self.measured

    def chosen(self, solve: Solve | None, mattes: Mattes | None = None) -> DepthSource:
        """The source of depth.

        Args:
            solve: what was found; None = nothing was solved.
            mattes: of ``mattes``, where it ``measures``.
        """
        if solve is None or solve.kind == "still":
            return self.source
        if self.measures(solve):
            return ParallaxDepth(self.source, solve.camera, solve.points.xyz, mattes, keeps_world=True)
        return SolvedDepth(self.source, solve.camera, solve.points.xyz, _movers(solve))


def _movers(solve: Solve) -> KnownMovers:
    """What the solve found to move by itself."""
    digest = hashlib.sha256()
    for values in (solve.tracks.frame, solve.tracks.track, solve.tracks.xy, solve.moving, solve.on_screen):
        digest.update(np.ascontiguousarray(values).tobytes())
    return KnownMovers(solve.moving_mask, digest.hexdigest())
