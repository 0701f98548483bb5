# SPDX-License-Identifier: Apache-2.0
"""A shot's plate, depth and mesh: made, or opened, and made anew where they are damaged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ex4d.camera import parse_lens
from ex4d.depth.base import camera_apart
from ex4d.depth.parallax.source import Mattes
from ex4d.depth.small.order import depth_order
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.mesh import MeshSettings
from ex4d.mesh.stage import ALPHA_CARRIED, MeshStage
from ex4d.mesh.store import MeshStore
from ex4d.plate import PlateInfo, PlateOptions, open_plate, plate_hash
from ex4d.plate.base import PlateReader, with_handles
from ex4d.plate.stage import PlateStage
from ex4d.plate.store import FrameStore
from ex4d.plate.truth import PlateSource
from ex4d.protocol.errors import BadInputError, Ex4dError, UsageError
from ex4d.protocol.parse_dataclass import to_record
from ex4d.protocol.requests import PlateRequest
from ex4d.protocol.results import SourceCameraInfo
from ex4d.protocol.seal import DamagedCacheError, read_seal
from ex4d.protocol.values import FIRST_FRAME, FrameRange
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.mattes import read_mattes
from ex4d.shot.recipe import Recipe
from ex4d.shot.source_camera import read_source_camera_info, source_camera_info
from ex4d.solve import Solve, read_solve
from ex4d.solve.stage import SolveStage
from ex4d.stages.cache import is_complete
from ex4d.stages.stage import Stage
from ex4d.system.files import make_folder
from ex4d.system.inputs import FileStamps, HashedFiles
from ex4d.system.progress import Progress, Silent

_ALPHA_WAS_HOLES = (
    "This shot was reconstructed when transparent pixels of a plate were holes, and in it they still are: reconstruct "
    "it again, and its alpha is shot like its colours."
)


@dataclass(frozen=True)
class Reconstruction:
    """Plate, depth and mesh of a shot, with the keys of their stages.

    Attributes:
        plate: what shot.json says of the plate, JSON-able.
        source_camera: what it says of the source camera's solve; None = the camera was not solved.
        lens_note: sentence on the lens that the plate's files tell; None = that was not used.
    """

    frames: FrameStore
    depth: DepthStore
    mesh: MeshStore
    plate_key: str
    mesh_key: str
    plate: dict[str, Any]
    source_camera: SourceCameraInfo | None = None
    lens_note: str | None = None

    def record(self) -> dict[str, Any]:
        """What a take's sidecar says of all this, JSON-able."""
        numbers = self.frames.numbers
        return {
            "plate": {
                **self.plate,
                "width": self.frames.width,
                "height": self.frames.height,
                "frames": f"{numbers[0]}-{numbers[-1]}",
                "count": len(numbers),
                "bit_depth": self.frames.bit_depth,
                "alpha": self.frames.has_alpha,
                "variable_rate": self.frames.variable_rate,
                **_film_record(self.frames),
            },
            "depth": {
                "name": self.depth.name,
                "label": self.depth.label,
                "licence": self.depth.licence,
                "source_poses_known": self.depth.poses_known,
                "intrinsics_known": self.intrinsics_known,
                **({} if self.depth.measured is None else {"measured": round(self.depth.measured, 6)}),
            },
            "mesh": {
                "min_angle_deg": self.mesh.settings.min_angle_deg,
                "max_depth_ratio": self.mesh.settings.max_depth_ratio,
                "thickness": str(self.mesh.settings.thickness),
                "max_grid_side": self.mesh.settings.max_grid_side,
                "compat": self.mesh.settings.compat,
                "far": self.mesh.far,
            },
            "notes": list(self.notes()),
        }

    def selected(self, frames: FrameRange | None, handles: int = 0) -> Reconstruction:
        """The same shot with only those frames; stages made from it are kept apart from those of all frames.

        Args:
            frames: which; None = all but the handles that were read.
            handles: so many frames before and after these as well, where the shot has them.

        Raises:
            BadInputError: the plate has none of them, or not all.
        """
        numbers, (before, after) = self.frames.numbers, self.frames.handles
        if frames is None and (before, after) != (0, 0):
            frames = FrameRange(numbers[before], numbers[-1 - after] + 1)
        found = (0, 0)
        if handles and frames is not None and frames.start in numbers:
            end = FrameRange(frames.start, numbers[-1] + 1 if frames.stop is None else frames.stop)
            frames, found = with_handles(end, FrameRange(numbers[0], numbers[-1] + 1), handles)
        selected = self._of(frames)
        if selected.frames.handles == found:
            return selected
        about = replace(selected.frames.about, handles=found)
        return replace(selected, frames=replace(selected.frames, about=about))

    def _of(self, frames: FrameRange | None) -> Reconstruction:
        numbers = self.frames.numbers
        chosen = [index for index, number in enumerate(numbers) if frames is None or number in frames]
        if len(chosen) == len(numbers) and (frames is None or frames.start == numbers[0]):
            return self
        last = frames.stop - 1 if frames is not None and frames.stop is not None else numbers[-1]
        if not chosen or frames is None or frames.start < numbers[0] or last > numbers[-1]:
            raise BadInputError(
                f"Frames {frames} are not all in this shot, which has frames {numbers[0]}-{numbers[-1]}.",
                "Choose frames within these, or reconstruct the plate with them.",
            )
        kept = tuple(numbers[index] for index in chosen)
        source = self.mesh.source.for_frames(kept, self.frames.fps, "the source camera")
        times = tuple(self.frames.times[index] - self.frames.times[chosen[0]] for index in chosen)
        suffix = f":{kept[0]}-{kept[-1]}"
        return replace(
            self,
            frames=replace(self.frames, numbers=kept, times=times),
            mesh=replace(self.mesh, source=source),
            plate_key=self.plate_key + suffix,
        )

    def notes(self) -> tuple[str, ...]:
        """Sentences that belong into every report on this shot."""
        found = self.source_camera
        plate_notes = self.frames.notes if self.lens_note is None else (*self.frames.notes, self.lens_note)
        if found is None:
            return (*plate_notes, *self.depth.notes)
        # Whether it stands still was looked at, and its lens too.
        return (*plate_notes, found.headline, *found.notes, *camera_apart(self.depth.notes))

    @property
    def intrinsics_known(self) -> bool:
        """False where the field of view was assumed."""
        found = self.source_camera
        is_told = found is None or found.lens != "not observable" or self.lens_note is not None
        return self.depth.intrinsics_known and is_told


def make_reconstruction(
    shot: Shot,
    request: PlateRequest,
    plan: DepthPlan,
    settings: MeshSettings,
    progress: Progress,
    accept: Callable[[PlateInfo], None] = lambda _: None,
) -> Reconstruction:
    """Read the plate, get its depth, build its meshes; what is already there is not done again.

    Args:
        shot: where they go.
        request: which plate, and how it is read.
        plan: of its source camera and its depth.
        settings: of its meshes.
        progress: who listens.
        accept: is shown the opened plate before any work, and raises what speaks against it.

    Raises:
        BadInputError: the plate cannot be used, or the folder is the shot of another one.
        TransientError: a file of the plate or the depth is written to meanwhile.
        DamagedCacheError: see ``StageCache.heal``.
    """
    solved = _solved_plate(shot, request, plan, progress, accept)
    plan, plate_stage, frames, solve = solved.plan, solved.stage, solved.frames, solved.solve
    lens_note, hashed, source_files = solved.lens_note, solved.hashed, solved.source_files
    lens = parse_lens(request.lens) if request.lens is not None else None
    mattes = _mattes(shot, plan, solve, request.first_frame, frames, progress)
    depth_stage = DepthStage(plate_stage.key(), frames, plan.chosen(solve, mattes), lens)
    depth = DepthStore.open(shot.cache.ensure(depth_stage, progress))
    mesh_stage = MeshStage(plate_stage.key(), depth_stage.key(), frames, depth, settings)
    mesh = MeshStore.open(shot.cache.ensure(mesh_stage, progress))
    stages = (plate_stage, *solved.solve_stages, depth_stage, mesh_stage)
    plate = {"path": str(Path(request.path).absolute()), "sha256": hashed.hash}
    found = None if solve is None else source_camera_info(solve, mesh.view)
    shot.write_record(
        {
            "plate": {**plate, "files": hashed.stamps.record(), **source_files.record()},
            "stages": {stage.name: stage.key() for stage in stages},
            "recipe": Recipe.of(_selection(request), plan, settings, lens).record(),
            **({} if found is None else {"solve": to_record(found)}),
            **({} if lens_note is None else {"lens_note": lens_note}),
        }
    )
    reconstruction = Reconstruction(frames, depth, mesh, plate_stage.key(), mesh_stage.key(), plate, found, lens_note)
    for note in reconstruction.notes():
        progress.note(note)
    return reconstruction


@dataclass(frozen=True)
class _SolvedPlate:
    """A plate that was read, and what was found of its source camera.

    Attributes:
        plan: of its depth, with what the plate's files tell.
        lens_note: see ``Reconstruction``.
        hashed: its files.
        source_files: where its truth is read.
        stage: that it was read by.
        frames: of it.
        solve_stages: what the camera was solved by; none where it was not.
        solve: of the camera; None = it was not solved.
    """

    plan: DepthPlan
    lens_note: str | None
    hashed: HashedFiles
    source_files: PlateSource
    stage: PlateStage
    frames: FrameStore
    solve_stages: tuple[Stage, ...]
    solve: Solve | None


def _solved_plate(
    shot: Shot, request: PlateRequest, plan: DepthPlan, progress: Progress, accept: Callable[[PlateInfo], None]
) -> _SolvedPlate:
    """See ``make_reconstruction``, whose first stages these are."""
    reader, hashed = _open_plate(request, shot.record)
    accept(reader.info)
    plan, lens_note = plan.of_plate(reader.info)
    path = str(Path(request.path).absolute())
    known = shot.record.get("plate", {"path": path})
    # Other frames of the same sequence, or a new version of the same file, have another hash.
    if known["path"] != path and known["sha256"] != hashed.hash:
        raise BadInputError(
            f"{shot.root} is the shot of another plate ({known['path']}).",
            "Choose another output folder for this plate.",
        )
    make_folder(shot.root)
    plate_stage = PlateStage(hashed.hash, _selection(request), reader, hashed)
    source_files = PlateSource.of(reader.info)
    frames = FrameStore.open(shot.cache.ensure(plate_stage, progress), source_files)
    solve_stages: tuple[Stage, ...] = ()
    solve = None
    if (options := plan.solved(frames)) is not None:
        solve_stages = (solve_stage := SolveStage(plate_stage.key(), frames, options, depth_order(frames)),)
        solve = read_solve(shot.cache.ensure(solve_stage, progress))
    return _SolvedPlate(plan, lens_note, hashed, source_files, plate_stage, frames, solve_stages, solve)


def find_shots(
    shot: Shot, request: PlateRequest, plan: DepthPlan, progress: Progress
) -> tuple[tuple[int, int], ...] | None:
    """Numbers of the first and the last frame of each shot that a plate's cuts leave: the first stages of
    ``make_reconstruction``, which raises the same. None = nobody looked for cuts, because no camera was solved."""
    solved = _solved_plate(shot, request, plan, progress, lambda _: None)
    numbers = solved.frames.numbers
    if len(numbers) == 1:
        return ((numbers[0], numbers[0]),)
    return None if solved.solve is None else solved.solve.shots


def _selection(request: PlateRequest) -> dict[str, Any]:
    """What decides which frames are read and how: fields of the request. Those that there were not always are left out
    where they are as they were then."""
    selection: dict[str, Any] = {
        "frames": str(request.range) if request.range else None,
        "fps": str(request.rate) if request.rate else None,
        "first_frame": request.first_frame,
    }
    plain = PlateRequest(request.path)
    named = ("handles", "colour_space", "ocio", "layer", "over_range", "colour_matrix", "colour_range")
    more = {name: getattr(request, name) for name in named}
    more["pixel_aspect"] = str(request.aspect) if request.aspect else None
    return selection | {name: value for name, value in more.items() if value != getattr(plain, name)}


def _open_plate(request: PlateRequest, record: Mapping[str, Any]) -> tuple[PlateReader, HashedFiles]:
    """The plate, and its files with the hash of their contents; ``record`` is the shot's."""

    def opened() -> PlateReader:
        return open_plate(
            Path(request.path),
            frames=request.range,
            fps=request.rate,
            first_frame=request.first_frame,
            handles=request.handles,
            options=PlateOptions.of(request),
        )

    began = time.time_ns()
    reader = opened()
    stamps = FileStamps.of(reader.paths, since=began)
    if not stamps.settled:
        # It may have been written while it was opened.
        reader = opened()
    plate = record.get("plate", {})
    same = stamps.settled and plate.get("files") == stamps.record()
    if same and plate.get("path") == str(reader.info.path.absolute()):
        return reader, HashedFiles(plate["sha256"], stamps, lambda: plate_hash(reader))
    return reader, HashedFiles.of(reader.paths, lambda: plate_hash(reader))


def open_reconstruction(shot: Shot, progress: Progress | None = None) -> Reconstruction:
    """What ``make_reconstruction`` has made before. Stages that are gone or damaged are made anew where that can be
    without asking: from the plate, where it is still there, and depth that an estimator made or whose files are there.

    Raises:
        BadInputError: nothing was made, or it cannot be made anew.
        DamagedCacheError: see ``StageCache.heal``.
    """
    progress = progress or Silent()
    stages = shot.record.get("stages", {})
    folders = {name: shot.cache.root / f"{name}-{stages.get(name)}" for name in ("plate", "depth", "mesh")}
    if not stages:
        raise _unmade(shot)
    recipe = _recipe(shot, folders)
    whole = {name: is_complete(folder) for name, folder in folders.items()}
    if not whole["plate"]:
        _make_anew(shot, "plate", lambda: _plate_stage(shot, recipe), progress)
    frames = FrameStore.open(folders["plate"], PlateSource.from_record(shot.record["plate"]))
    if not whole["depth"]:
        _make_anew(shot, "depth", lambda: _depth_stage(shot, recipe, frames), progress)
    depth = DepthStore.open(folders["depth"])
    if not whole["mesh"]:
        _make_anew(shot, "mesh", lambda: _mesh_stage(shot, recipe, frames, depth), progress)
    plate = {name: shot.record["plate"][name] for name in ("path", "sha256")}
    if frames.has_alpha and not ALPHA_CARRIED.items() <= read_seal(folders["mesh"]).record.get("inputs", {}).items():
        progress.note(_ALPHA_WAS_HOLES)
    found = read_source_camera_info(shot.record.get("solve"))
    mesh, lens_note = MeshStore.open(folders["mesh"]), shot.record.get("lens_note")
    return Reconstruction(frames, depth, mesh, stages["plate"], stages["mesh"], plate, found, lens_note)


def _film_record(frames: FrameStore) -> dict[str, Any]:
    """What a take's sidecar says of a plate besides, where there is something to say."""
    record: dict[str, Any] = {}
    if not frames.truth.is_display:
        record["truth"] = asdict(frames.truth)
    if frames.colour.space:
        record["colour"] = frames.colour.record()
    if frames.pixel_aspect != 1:
        record["pixel_aspect"] = str(frames.pixel_aspect)
    if frames.frame is not None:
        record["frame"] = asdict(frames.frame)
    if frames.timecode is not None:
        record |= {"timecode": frames.timecode, "timecode_frame": frames.timecode_number}
    if frames.handles != (0, 0):
        record["handles"] = list(frames.handles)
    return record


def _unmade(shot: Shot, cause: Exception | None = None) -> BadInputError:
    why = f" {cause}" if isinstance(cause, Ex4dError) else ""
    return BadInputError(
        f"{shot.root} holds no reconstructed plate.{why}",
        "Run `ex4d recon PLATE --out FOLDER`, or Reconstruct in Blender, first.",
    )


def _recipe(shot: Shot, folders: dict[str, Path]) -> Recipe | None:
    """What the stages were made of. Shots of earlier versions are asked once, while their seals can tell."""
    if "recipe" in shot.record:
        return Recipe.from_record(shot.record["recipe"])
    try:
        inputs = {name: read_seal(folder).record["inputs"] for name, folder in folders.items()}
        recipe = Recipe.from_seals(**inputs)
    except (DamagedCacheError, KeyError, TypeError, AttributeError):
        return None
    # A shot that may not be written to can be read all the same.
    with suppress(Ex4dError):
        rest = {name: value for name, value in shot.record.items() if name != "checksum"}
        shot.write_record({**rest, "recipe": recipe.record()})
    return recipe


def _make_anew(shot: Shot, name: str, create: Callable[[], Stage | None], progress: Progress) -> None:
    """Run a stage once more, without being asked."""
    try:
        stage = create()
        key = stage.key() if stage else None
    except (BadInputError, UsageError, KeyError, TypeError, ValueError) as error:
        raise _unmade(shot, error) from error
    # Another plate or another version of a stage would make something else than what takes were made from.
    if stage is None or key != shot.record["stages"][name]:
        raise _unmade(shot)
    shot.cache.ensure(stage, progress)


def _plate_stage(shot: Shot, recipe: Recipe | None) -> PlateStage | None:
    if recipe is None:
        return None
    request = PlateRequest(shot.record["plate"]["path"], **recipe.selection)
    reader, hashed = _open_plate(request, shot.record)
    return PlateStage(hashed.hash, recipe.selection, reader, hashed)


def open_solve(shot: Shot, reconstruction: Reconstruction, progress: Progress) -> Solve | None:
    """The solve of an opened shot, made anew where it is gone; None where the camera was not solved, or the cameras
    that were given to it are gone too.

    Raises:
        BadInputError: it is damaged.
    """
    key = shot.record.get("stages", {}).get("solve")
    if key is None:
        return None
    folder = shot.cache.root / f"solve-{key}"
    if not is_complete(folder):
        recipe = Recipe.from_record(shot.record.get("recipe"))
        if recipe is None or recipe.depth is None:
            return None
        _make_anew(shot, "solve", lambda: _solve_stage(shot, recipe, reconstruction.frames), progress)
    return read_solve(folder)


def _solve_stage(shot: Shot, recipe: Recipe | None, frames: FrameStore) -> SolveStage | None:
    plan = recipe.plan() if recipe else None
    options = plan.solved(frames) if plan else None
    if options is None:
        return None
    return SolveStage(shot.record["stages"]["plate"], frames, options, depth_order(frames))


def _depth_stage(shot: Shot, recipe: Recipe | None, frames: FrameStore) -> DepthStage | None:
    plan = recipe.plan() if recipe else None
    if plan is None:
        return None
    assert recipe is not None
    lens = parse_lens(recipe.lens) if recipe.lens is not None else None
    plate_key = shot.record["stages"]["plate"]
    stage = _solve_stage(shot, recipe, frames)
    solve = None if stage is None else read_solve(shot.cache.ensure(stage, Silent()))
    first_frame = int(recipe.selection.get("first_frame", FIRST_FRAME))
    mattes = _mattes(shot, plan, solve, first_frame, frames, Silent())
    return DepthStage(plate_key, frames, plan.chosen(solve, mattes), lens)


def _mattes(
    shot: Shot, plan: DepthPlan, solve: Solve | None, first_frame: int, frames: FrameStore, progress: Progress
) -> Mattes | None:
    """What moves by itself, where people have drawn it and depth is measured."""
    if plan.mattes is None:
        return None
    if not plan.measures(solve):
        progress.note("No depth is measured from this camera's parallax, so the mattes are not looked at.")
        return None
    return read_mattes(shot, Path(plan.mattes), first_frame, frames, progress)


def _mesh_stage(shot: Shot, recipe: Recipe | None, frames: FrameStore, depth: DepthStore) -> MeshStage | None:
    if recipe is None:
        return None
    stages = shot.record["stages"]
    return MeshStage(stages["plate"], stages["depth"], frames, depth, recipe.settings())
