# SPDX-License-Identifier: Apache-2.0
"""From a reconstructed shot and a camera to a delivered take: the stages that several jobs share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ex4d.composite import TakeJob
from ex4d.composite.adjust import FillAdjustments
from ex4d.composite.outputs import delivery_notes
from ex4d.composite.take import TAKE_FILE
from ex4d.fill import Generator, TakeScene
from ex4d.fill.background.other_frames import source_stands_still
from ex4d.fill.background.stage import BackgroundStage
from ex4d.fill.background.store import BackgroundStore
from ex4d.fill.stage import FillStage, FillStore, RenderedTake
from ex4d.jobs.cameras import TakeCamera, check_camera, take_camera
from ex4d.jobs.context import JobContext
from ex4d.jobs.deliveries import take_sound
from ex4d.protocol.requests import Camera, OutputRequest, PreviewRequest, RenderRequest
from ex4d.protocol.results import RenderResult
from ex4d.protocol.values import AUTOMATIC
from ex4d.raster import Rasterizer, borrow_rasterizer
from ex4d.raster.positions import PositionStage, PositionStore
from ex4d.raster.sight import sight_notes
from ex4d.raster.stage import RasterStage
from ex4d.raster.store import RasterStore
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction
from ex4d.system.progress import PlannedStage, Progress

#: Of a raster stage and a preview, what clients show themselves.
SHOWN = ("color/", "mask/")


@dataclass(frozen=True)
class RenderedShot:
    """A finished raster stage.

    Attributes:
        raster: its output.
        key: its key.
        camera: what a report says of the camera, JSON-able.
        notes: sentences for the report, on the camera and the rasterizer.
    """

    raster: RasterStore
    key: str
    camera: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def coverage(self) -> tuple[float, ...]:
        """Share of each frame's pixels that show real source surface, as results tell it."""
        return tuple(round(share, 6) for share in self.raster.coverage)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self.raster.trajectory.width, self.raster.trajectory.height


def draw_take(
    request: RenderRequest | PreviewRequest,
    context: JobContext,
    plan: Iterable[PlannedStage],
    draw: Callable[[Shot, Reconstruction, TakeCamera], RenderResult],
) -> RenderResult:
    """A job that draws a reconstructed shot and fills nothing: the camera is checked before the shot is opened, damage
    is healed, and the time it took is told.

    Args:
        request: which camera of which shot.
        context: of the job.
        plan: its stages.
        draw: draws the frames that are wanted.

    Raises:
        UsageError, BadInputError: there is no such camera, the shot is none, or they do not fit; what ``draw`` raises.
    """
    started = time.monotonic()
    check_camera(request.camera)
    context.progress.expect(plan)
    shot = Shot(Path(request.shot))

    def work() -> RenderResult:
        reconstruction = open_reconstruction(shot, context.progress).selected(request.range)
        return draw(shot, reconstruction, take_camera(request.camera, request.size, shot, reconstruction, request.lens))

    result = shot.heal(work, context.progress)
    return replace(result, seconds=round(time.monotonic() - started, 3))


def drawn_result(
    shot: Shot,
    folder: Path,
    numbers: tuple[int, ...],
    *,
    coverage: tuple[float, ...],
    size: tuple[int, int],
    rasterizer: str,
    device: str,
    notes: tuple[str, ...],
    never_covered: tuple[float, ...],
) -> RenderResult:
    """What is told of a finished folder of drawn pictures, which clients show themselves.

    Raises:
        DamagedCacheError: they are not what was written; see ``Shot.heal``.
    """
    shot.cache.check(folder, SHOWN)
    color, mask = str(folder / "color"), str(folder / "mask")
    return RenderResult(
        str(folder), color, mask, numbers, coverage, size, rasterizer, device, notes, never_covered=never_covered
    )


def check_rasterizer(name: str) -> None:
    """Raise ResourceError if it, or for "auto" any, does not work on this machine: before any long work."""
    borrow_rasterizer(name)[0].close()


@dataclass
class TakePipeline:
    """Runs the stages after the mesh, for one shot.

    Attributes:
        shot: where outputs go.
        reconstruction: of its plate.
        rasterizer: name, or "auto".
        progress: who listens.
    """

    shot: Shot
    reconstruction: Reconstruction
    rasterizer: str
    progress: Progress

    @cached_property
    def _chosen(self) -> tuple[str, tuple[str, ...]]:
        """The rasterizer's name, which may be "auto" no more, and a sentence for each that does not work here."""
        if self.rasterizer != AUTOMATIC:
            return self.rasterizer, ()
        rasterizer, failures = borrow_rasterizer()
        rasterizer.close()
        notes = tuple(f"{failure} The rasterizer «{rasterizer.name}» is used meanwhile." for failure in failures)
        for note in notes:
            self.progress.note(note)
        return rasterizer.name, notes

    def _borrow(self) -> Rasterizer:
        return borrow_rasterizer(self._chosen[0])[0]

    def camera(self, camera: Camera, size: tuple[int, int] | None = None) -> TakeCamera:
        """See ``take_camera``; with the plate's lens."""
        return take_camera(camera, size, self.shot, self.reconstruction, "plate")

    def render(self, camera: TakeCamera) -> RenderedShot:
        """Colour, mask and z of a take."""
        trajectory = camera.trajectory
        stage = RasterStage(
            self.reconstruction.plate_key,
            self.reconstruction.mesh_key,
            self.reconstruction.frames,
            self.reconstruction.mesh,
            trajectory,
            self._chosen[0],
            lambda: (self._borrow(), self._chosen[1]),
            self.reconstruction.frames.colour,
        )
        raster = RasterStore.open(self.shot.cache.ensure(stage, self.progress))
        seen = sight_notes(raster.trajectory, self.reconstruction.mesh.source, raster.coverage)
        for note in (*trajectory.notes, *seen):
            self.progress.note(note)
        # What was made before may have been asked for by another name.
        notes = tuple(dict.fromkeys((*trajectory.notes, *seen, *raster.notes, *self._chosen[1])))
        return RenderedShot(raster, stage.key(), camera.record, notes)

    def deliver(
        self, rendered: RenderedShot, generator: Generator, title: str = "", output: OutputRequest | None = None
    ) -> Path:
        """Fill and composite; returns the folder of the take. ``title`` stands in its record."""
        reconstruction = self.reconstruction
        frames, depth = reconstruction.frames, reconstruction.depth
        scene = TakeScene(
            frames,
            reconstruction.mesh,
            rendered.raster.trajectory,
            depth.tolerance,
            self._borrow,
            lambda index: depth.read_moving(frames.numbers[index]),
            lambda index: depth.read_measured(frames.numbers[index]),
        )
        background, background_key = self.background(rendered, scene)
        stage = FillStage(
            rendered.key, lambda: RenderedTake(rendered.raster, scene, background), generator, background_key
        )
        fill = FillStore.open(self.shot.cache.ensure(stage, self.progress))
        record = {**reconstruction.record(), "camera": rendered.camera, **({"title": title} if title else {})}
        output = output or OutputRequest()
        by_model = generator.generative
        said = delivery_notes(
            output, reconstruction.frames.truth, has_alpha=reconstruction.frames.has_alpha, by_model=by_model
        )
        for note in said:
            self.progress.note(note)
        record["notes"] = [*record["notes"], *rendered.notes, *said]
        take = TakeJob(
            self.shot.takes,
            reconstruction.frames,
            lambda: rendered.raster,
            lambda: fill,
            stage.key(),
            record,
            FillAdjustments(by_model and output.colour_match, by_model and output.grain),
            output,
            lambda: self.positions(rendered),
            take_sound(self.shot, reconstruction) if output.audio else None,
            background,
            reconstruction.mesh.source,
            reconstruction.depth.read_measured,
        )
        folder = take.ensure(self.progress)
        # What is known since: of the fill, and of the take itself.
        for note in json.loads((folder / TAKE_FILE).read_text(encoding="utf-8"))["notes"]:
            if note not in record["notes"]:
                self.progress.note(note)
        return folder

    def background(self, rendered: RenderedShot, scene: TakeScene) -> tuple[BackgroundStore | None, str]:
        """What other frames show where a render shows nothing, and the key of the stage; None and "" where the source
        camera stands still: its frames show the same but for what moves, and that the preview fill looks at itself."""
        if source_stands_still(self.reconstruction.mesh.source):
            return None, ""
        stage = BackgroundStage(rendered.key, lambda: rendered.raster, scene, self.reconstruction.frames.colour)
        return BackgroundStore.open(self.shot.cache.ensure(stage, self.progress)), stage.key()

    def positions(self, rendered: RenderedShot) -> PositionStore:
        """Where on the plate the pixels of a render were taken from."""
        stage = PositionStage(
            self.reconstruction.plate_key,
            self.reconstruction.mesh_key,
            self.reconstruction.mesh,
            rendered.raster.trajectory,
            rendered.raster.rasterizer,
            self._borrow,
        )
        return PositionStore.open(self.shot.cache.ensure(stage, self.progress))
