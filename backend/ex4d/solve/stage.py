# SPDX-License-Identifier: Apache-2.0
"""Stage 2: the source camera of the plate, see ``ex4d.solve.result`` for its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ex4d.media.frames import FrameSource
from ex4d.solve.options import SolveOptions
from ex4d.solve.result import write_solve
from ex4d.solve.solve import solve_camera
from ex4d.stages.stage import Stage
from ex4d.system.progress import Progress


@dataclass
class SolveStage(Stage):
    """Solves the source camera.

    Attributes:
        plate_key: key of the plate stage.
        frames: its output.
        options: what is known of the camera.
    """

    name = "solve"
    version = 1
    weight = 2.0

    plate_key: str
    frames: FrameSource
    options: SolveOptions

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        return {"plate": self.plate_key, "options": self.options.record()}

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.frames)

    def run(self, out: Path, progress: Progress) -> Iterable[str]:
        """See ``Stage``."""
        return write_solve(out, solve_camera(self.frames, self.options, progress))
