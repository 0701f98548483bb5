# SPDX-License-Identifier: Apache-2.0
"""Stage 4: the mesh seen by the take camera.

raster.json          facts
trajectory.json      the take camera
color/001001.png     the working picture, 0 in the holes
mask/001001.png      255 = real source surface, 0 = to be filled
z/001001.npy         z-depth
truth/001001.exr     the truth with its alpha, 0 in the holes; .png where it is codes; not of display pictures
alpha/001001.png     of display pictures with alpha
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Trajectory, write_json
from ex4d.colour.plate_colour import PlateColour
from ex4d.colour.transforms import PlateTransform, transform_of
from ex4d.media.exr_values import write_exr_values
from ex4d.media.frames import FrameSource
from ex4d.media.images import write_png
from ex4d.mesh.stage import ALPHA_CARRIED
from ex4d.mesh.store import MeshStore
from ex4d.plate.store import frame_file, frame_names
from ex4d.raster.base import RasterFrame, Rasterizer, Texture, View
from ex4d.raster.coverage import Covered
from ex4d.raster.store import RASTER_FILE, TRAJECTORY_FILE, stacked, truth_suffix
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched

#: The working picture knows nothing brighter, scene-linear; a filled pixel neither.
BRIGHTEST_FILL = 64.0
_BRIGHTER = (
    "Parts of the plate are brighter than 64 (scene-linear): where they are seen they stay as they are, but what is "
    "filled beside them is 64 at most."
)


def trajectory_hash(trajectory: Trajectory) -> str:
    """Hash of everything in a trajectory that changes its pictures."""
    digest = hashlib.sha256(f"{trajectory.width}x{trajectory.height}".encode())
    for array in (trajectory.K, trajectory.E, trajectory.near, trajectory.far):
        digest.update(np.ascontiguousarray(array).tobytes())
    if trajectory.lens is not None:
        digest.update(repr(trajectory.lens).encode())
    return digest.hexdigest()


@dataclass
class RasterStage(PartedStage):
    """Renders a take.

    Attributes:
        plate_key, mesh_key: keys of the former stages.
        frames, mesh: their outputs.
        trajectory: the take camera, one per frame, at the size to render.
        rasterizer_name: of the rasterizer that ``create`` makes.
        create: gives it, with sentences about those that did not work; called only when there is something to do, and
            closed then.
        colour: the colour space of a truth that is not the working picture.
    """

    name = "raster"
    version = 1

    plate_key: str
    mesh_key: str
    frames: FrameSource
    mesh: MeshStore
    trajectory: Trajectory
    rasterizer_name: str
    create: Callable[[], tuple[Rasterizer, tuple[str, ...]]]
    colour: PlateColour | None = None

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        inputs: dict[str, Any] = {
            "plate": self.plate_key,
            "mesh": self.mesh_key,
            "trajectory": trajectory_hash(self.trajectory),
            "rasterizer": self.rasterizer_name,
        }
        # Alpha once was not rendered.
        return {**inputs, **ALPHA_CARRIED} if self.frames.has_alpha else inputs

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.frames)

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``."""
        return parts_of(len(self.frames))

    def means(self) -> dict[str, Any]:
        """See ``PartedWork``: pictures of two devices differ a little."""
        return {"device": self._made[0].device}

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        for name, _ in self._folders:
            make_folder(out / name)
        rasterizer, _ = self._made
        covered = Covered(self.trajectory, self.mesh.source)
        with BoundedPool() as pool:
            for part in parts:
                numbers = self.frames.numbers[part.start : part.stop]
                coverage: list[float] = []
                never: list[float] = []
                brightest: list[float] = []
                views = prefetched(self._load, range(part.start, part.stop))
                rendered = rasterizer.render_sequence(views)
                for index, number, drawn in zip(range(part.start, part.stop), numbers, rendered, strict=True):
                    frame = self._first_as_released(drawn) if index == 0 else drawn
                    coverage.append(float(frame.mask.mean() / 255))
                    never.append(covered.never(index, frame))
                    pool.submit(self._write_picture, out, number, frame, brightest)
                    pool.submit(write_png, frame_file(out / "mask", number, ".png"), frame.mask)
                    pool.submit(np.save, frame_file(out / "z", number, ".npy"), frame.z)
                    progress.advance()
                pool.wait()
                bright = {"brighter": max(brightest) > BRIGHTEST_FILL} if brightest else {}
                done = {"coverage": coverage, "never_covered": never, **bright}
                yield PartOutput(part, tuple(self._names(numbers)), done)

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        rasterizer, notes = self._made
        # Parts that an earlier version has left do not tell.
        told = [output.record for output in done if "never_covered" in output.record]
        never = [share for record in told for share in record["never_covered"]]
        write_json(out / TRAJECTORY_FILE, self.trajectory.numbered(self.frames.numbers, self.frames.fps))
        record = {
            "coverage": [share for output in done for share in output.record["coverage"]],
            "rasterizer": rasterizer.name,
            "device": rasterizer.device,
            "licence": rasterizer.licence,
            "notes": [*notes, *((_BRIGHTER,) if any(output.record.get("brighter") for output in done) else ())],
            **({"never_covered": never} if len(told) == len(done) else {}),
            **({} if self.frames.truth.is_display else {"encoding": asdict(self.frames.truth)}),
            **({"has_alpha": True} if self.frames.has_alpha else {}),
        }
        (out / RASTER_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [TRAJECTORY_FILE, RASTER_FILE]

    def close(self) -> None:
        """See ``PartedWork``."""
        if made := self.__dict__.pop("_made", None):
            made[0].close()

    @cached_property
    def _made(self) -> tuple[Rasterizer, tuple[str, ...]]:
        return self.create()

    @cached_property
    def _transform(self) -> PlateTransform | None:
        """From the truth to the working picture; None where these are the same."""
        return None if self.colour is None or self.frames.truth.is_display else transform_of(self.colour)

    @property
    def _folders(self) -> tuple[tuple[str, str], ...]:
        """Folders of pictures, and the suffixes of their files."""
        folders = [("color", ".png"), ("mask", ".png"), ("z", ".npy")]
        if self._transform is not None:
            folders.append(("truth", truth_suffix(self.frames.truth)))
        elif self.frames.has_alpha:
            folders.append(("alpha", ".png"))
        return tuple(folders)

    def _names(self, numbers: Sequence[int]) -> Iterator[str]:
        for folder, suffix in self._folders:
            yield from frame_names(folder, numbers, suffix)

    def _write_picture(self, out: Path, number: int, frame: RasterFrame, brightest: list[float]) -> None:
        """Write the working picture and the truth of a rendered frame; adds the largest value of a float truth."""
        color, truth, transform = frame.color, self.frames.truth, self._transform
        if transform is not None:
            color = transform.working(truth.unit(frame.color))
            color[frame.mask == 0] = 0
            values = stacked(frame.color, frame.alpha)
            path = frame_file(out / "truth", number, truth_suffix(truth))
            if truth.is_float:
                brightest.append(float(np.fmax.reduce(frame.color, axis=None, initial=0)))
                write_exr_values(path, values)
            else:
                write_png(path, values)
        elif frame.alpha is not None:
            write_png(frame_file(out / "alpha", number, ".png"), frame.alpha)
        write_png(frame_file(out / "color", number, ".png"), color)

    def _texture(self, index: int) -> Texture:
        """The truth of a frame, with its alpha."""
        return stacked(*self.frames.read_truth(self.frames.numbers[index]))

    def _load(self, index: int) -> View:
        return self.mesh.read(index), self._texture(index), self.trajectory[index]

    def _first_as_released(self, frame: RasterFrame) -> RasterFrame:
        """The released code puts the source frame itself in place of the first one."""
        if self.mesh.settings.compat != "ex4d":
            return frame
        texture, alpha = self.frames.read_truth(self.frames.numbers[0])
        if texture.shape[:2] != frame.mask.shape:
            return frame
        return replace(frame, color=texture, mask=np.full_like(frame.mask, 255), alpha=alpha)
