# SPDX-License-Identifier: Apache-2.0
"""Quick looks at a take: a quarter of its size, drawn from a small copy of the shot that stays in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Trajectory
from ex4d.media.images import write_png
from ex4d.mesh.viewport import ProxyShot
from ex4d.plate.store import frame_file, frame_names
from ex4d.protocol.values import picture_numbers
from ex4d.raster import Rasterizer
from ex4d.raster.coverage import Covered
from ex4d.raster.stage import RasterStage, trajectory_hash
from ex4d.stages.stage import Stage
from ex4d.system.files import make_folder, remove_tree
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool

PREVIEW_FILE = "preview.json"
#: Share of the take's size, each way.
PREVIEW_SCALE = 4
#: Previews that stay on disk; older ones can be drawn again in a moment.
KEPT_PREVIEWS = 8


@dataclass
class PreviewStage(Stage):
    """Draws a preview; its pictures are numbered as ``picture_numbers`` says.

    Attributes:
        mesh_key: key of the shot's mesh.
        proxy: the small copy.
        trajectory: the take camera at the take's size.
        rasterizer: what draws.
    """

    name = "preview"
    version = 1
    # To clients a preview is a rendering.
    progress_name = RasterStage.name

    mesh_key: str
    proxy: ProxyShot
    trajectory: Trajectory
    rasterizer: Rasterizer

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        return {
            "mesh": self.mesh_key,
            "side": self.proxy.side,
            # Of frames below 0 the pictures once had the frames' own numbers.
            "frames": list(self.proxy.frames.numbers),
            **({} if self._pictures == self.proxy.frames.numbers else {"pictures": "from 1"}),
            "trajectory": trajectory_hash(self.trajectory),
            "rasterizer": self.rasterizer.name,
        }

    @property
    def _pictures(self) -> tuple[int, ...]:
        return picture_numbers(self.proxy.frames.numbers)

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.proxy.frames)

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``."""
        numbers = self._pictures
        colors, masks = make_folder(out / "color"), make_folder(out / "mask")
        size = tuple(max(2, side // PREVIEW_SCALE) for side in (self.trajectory.width, self.trajectory.height))
        small = self.trajectory.resized(*size)
        coverage: list[float] = []
        never: list[float] = []
        covered = Covered(small, self.proxy.mesh.source)
        with BoundedPool() as pool:
            views = ((*self.proxy.read(index), small[index]) for index in range(len(numbers)))
            drawn = self.rasterizer.render_sequence(views)
            for index, (number, frame) in enumerate(zip(numbers, drawn, strict=True)):
                coverage.append(round(float(frame.mask.mean() / 255), 6))
                never.append(covered.never(index, frame))
                # Holes are transparent, so that the picture can lie over a viewport.
                pool.submit(write_png, frame_file(colors, number, ".png"), np.dstack([frame.color, frame.mask]))
                pool.submit(write_png, frame_file(masks, number, ".png"), frame.mask)
                progress.advance()
        record = {
            "coverage": coverage,
            "never_covered": never,
            "size": list(size),
            "rasterizer": self.rasterizer.name,
            "device": self.rasterizer.device,
            "notes": ["A quick look, drawn from a coarse copy of the shot: edges of holes are approximate."],
        }
        (out / PREVIEW_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [*frame_names("color", numbers, ".png"), *frame_names("mask", numbers, ".png"), PREVIEW_FILE]


def prune_previews(cache: Path, keep: Path) -> None:
    """Remove all but the newest previews in a shot's cache; ``keep`` always stays."""
    folders = [path for path in cache.glob(f"{PreviewStage.name}-*") if path != keep]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in folders[KEPT_PREVIEWS - 1 :]:
        remove_tree(path)
