# SPDX-License-Identifier: Apache-2.0
"""What the jobs give back: one frozen data class for each. Paths are absolute where the request's were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ex4d.protocol.capabilities import EstimatorInfo
from ex4d.protocol.models import ModelInfo
from ex4d.protocol.parse_dataclass import from_record, to_record

PartState: TypeAlias = Literal["ok", "damaged", "missing", "not hashed", "newer", "left over", "in work"]


@dataclass(frozen=True)
class ColourInfo:
    """The colour space of a plate, what programs need of it that show its pictures; see ``ex4d.colour.plate_colour``.

    Attributes:
        kind: "display", "linear" or "codes".
        space: of the plate's values; "" for a display-referred picture that says nothing.
        linear_space: of EXR results; "" where there are none.
        config, config_file: the configuration that has these names, and its file; None = a built-in one.
        interop_id: OpenEXR's ``colorInteropID`` of ``linear_space``; "" = none.
        said_by: what decided, in words.
    """

    kind: Literal["display", "linear", "codes"]
    space: str
    linear_space: str = ""
    config: str = ""
    config_file: str | None = None
    interop_id: str = ""
    said_by: str = ""


@dataclass(frozen=True)
class PlateInfo:
    """The plate as it was read.

    Attributes:
        path: where it is.
        sha256: of its files, in a text.
        width, height: pixels.
        fps: such as "24" or "24000/1001".
        numbers: of its frames, rising.
        bit_depth: 8 or 16.
        alpha: whether it has an alpha channel.
        variable_rate: whether its frames have times of their own.
        colour: None = an ordinary display picture.
        pixel_aspect: width of a pixel divided by its height, such as "1" or "4/3".
        timecode: of the first of ``numbers``, "01:00:59;28"; None = none.
        handles: how many of ``numbers`` are handles, at their begin and at their end.
    """

    path: str
    sha256: str
    width: int
    height: int
    fps: str
    numbers: tuple[int, ...]
    bit_depth: int
    alpha: bool
    variable_rate: bool
    colour: ColourInfo | None = None
    pixel_aspect: str = "1"
    timecode: str | None = None
    handles: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class DepthInfo:
    """Where its depth came from.

    Attributes:
        name, label, licence: of the source.
        source_poses_known: False when the source camera was assumed to stand still.
        intrinsics_known: False when the field of view was assumed.
        measured: share of the pixels whose depth was measured, 0..1; the others were guessed. None = the source does
            not tell them apart.
    """

    name: str
    label: str
    licence: str
    source_poses_known: bool
    intrinsics_known: bool
    measured: float | None = None


@dataclass(frozen=True)
class SourceCameraInfo:
    """What was found of the camera that filmed the plate.

    Attributes:
        kind: of the shot.
        lens: what is known of the focal length: it was "given", or the plate tells it ("known"), to 5 % ("within 5 %"),
            or not at all ("not observable"), so that the one that was expected is kept.
        fov_deg: field of view of the first frame over its longer side, degrees.
        headline: the finding in one sentence, with the numbers that decided.
        refused: sentences: which kinds of shot it was found not to be, and why.
        interpolated: numbers of the frames whose camera was not found but laid between those around them.
        cuts: numbers of the frames at which the plate seems to cut.
        notes: further sentences for the report.
        assumed: whether it is only taken to stand still, because no solve of it is believed.
    """

    kind: Literal["still", "turns", "moves"]
    lens: Literal["given", "known", "within 5 %", "not observable"]
    fov_deg: float
    headline: str = ""
    refused: tuple[str, ...] = ()
    interpolated: tuple[int, ...] = ()
    cuts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    assumed: bool = False


@dataclass(frozen=True)
class ReconstructResult:
    """A reconstructed shot.

    Attributes:
        shot: its folder.
        pivot: what "auto" turns about: the subject's distance along the optical axis, world units.
        far: depth of the far plane, world units.
        source: file of the source camera's trajectory.
        notes: sentences that the user should read.
        viewport: folder of the viewport's mesh (``ex4d.mesh.viewport``), "" where none was asked for.
        source_camera: what was found of the plate's camera; None = nobody looked: it is taken to stand still, or came
            with depth files.
        solve: folder of the camera's solve, with points and tracks (docs/protocol.md); "" = it was not solved.
    """

    shot: str
    plate: PlateInfo
    depth: DepthInfo
    pivot: float
    far: float
    source: str
    notes: tuple[str, ...] = ()
    viewport: str = ""
    source_camera: SourceCameraInfo | None = None
    solve: str = ""


@dataclass(frozen=True)
class ViewportResult:
    """The mesh for a viewport.

    Attributes:
        viewport: its folder.
    """

    viewport: str


@dataclass(frozen=True)
class ProjectionResult:
    """What a take has seen of the viewport's mesh.

    Attributes:
        folder: of the stage.
        seen: folder of pictures with one pixel per quad, one for each frame of the shot: 255 = the take shows it whole.
        depth: folder of the take's z-depth, OpenEXR, world units.
        numbers: of the take's frames.
        grid: (width, height) of the mesh's vertices.
    """

    folder: str
    seen: str
    depth: str
    numbers: tuple[int, ...]
    grid: tuple[int, int]


@dataclass(frozen=True)
class RenderResult:
    """Pictures of a take before it is filled.

    Attributes:
        folder: of the stage.
        color, mask: folders of the pictures.
        numbers: of the frames.
        coverage: share of each frame's pixels that show real source surface, 0..1.
        size: (width, height) in pixels.
        rasterizer, device: what drew them.
        notes: sentences that the user should read.
        seconds: that the job took.
        never_covered: share of each frame's pixels that no frame of the plate has in its view, 0..1; what is not
            covered either, the move reveals. Empty = it was drawn by a version that did not ask.
    """

    folder: str
    color: str
    mask: str
    numbers: tuple[int, ...]
    coverage: tuple[float, ...]
    size: tuple[int, int]
    rasterizer: str
    device: str
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    never_covered: tuple[float, ...] = ()


@dataclass(frozen=True)
class GenerateResult:
    """A delivered take.

    Attributes:
        take: its name, such as v001.
        folder: where it is.
        numbers: of its frames.
        fps: such as "24000/1001".
        result: folder of its pictures.
        movie: file.
        profile: name of the generator that filled it.
        label: what that is, in a few words.
        generated_mean, generated_max: share of the pixels that are not measured, 0..1, of all frames and of the worst.
        color, mask: folders of the render.
        coverage, size, rasterizer, device: see ``RenderResult``.
        notes: sentences that the user should read.
        reused: it had been delivered before.
        colour: of the result's pictures: EXR files are in its ``linear_space``, others in its ``space``; None =
            ordinary display pictures.
        pixel_aspect: see ``PlateInfo``.
        handles: how many of ``numbers`` are handles, at their begin and at their end.
        aov: folder of what compositors want besides; "" = it was not asked for.
        edit_movie: file of the movie for editing; "" = it was not asked for.
    """

    take: str
    folder: str
    numbers: tuple[int, ...]
    fps: str
    result: str
    movie: str
    profile: str
    label: str
    generated_mean: float
    generated_max: float
    color: str
    mask: str
    coverage: tuple[float, ...]
    size: tuple[int, int]
    rasterizer: str
    device: str
    notes: tuple[str, ...] = ()
    reused: bool = False
    colour: ColourInfo | None = None
    pixel_aspect: str = "1"
    handles: tuple[int, int] = (0, 0)
    aov: str = ""
    edit_movie: str = ""


@dataclass(frozen=True)
class RunResult:
    """A plate and its takes.

    Attributes:
        reconstruction: of the plate.
        takes: in the order they were asked for.
    """

    reconstruction: ReconstructResult
    takes: tuple[GenerateResult, ...]


@dataclass(frozen=True)
class ExportedRender:
    """The files of one camera.

    Attributes:
        color, mask: movies.
        camera: npz as EX-4D leaves it.
        trajectory: JSON of ``ex4d.camera``.
        numbers: of the frames.
        coverage, never_covered: see ``RenderResult``.
    """

    color: str
    mask: str
    camera: str
    trajectory: str
    numbers: tuple[int, ...]
    coverage: tuple[float, ...]
    never_covered: tuple[float, ...] = ()


@dataclass(frozen=True)
class ExportResult:
    """Files for other programs.

    Attributes:
        meshes: path of each mesh, by its format.
        renders: as many as there were cameras.
        stmaps: path of the map (of the first frame) that takes the lens off, "undistort", and puts it on, "redistort".
        source_camera: path of the plate's camera, by its format; of COLMAP the folder of its model.
    """

    meshes: dict[str, str]
    renders: tuple[ExportedRender, ...] = ()
    stmaps: dict[str, str] = field(default_factory=dict)
    source_camera: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FillInfo:
    """What filled.

    Attributes:
        name, label, licence: of the generator.
        generative_model: whether a generative model drew.
        seed, prompt: what it was told, None where it takes none.
    """

    name: str
    label: str
    licence: str
    generative_model: bool
    seed: int | None
    prompt: str | None


@dataclass(frozen=True)
class MovieSource:
    """A movie that was filled.

    Attributes:
        path: where it is.
        sha256: of its files.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class FillMoviesResult:
    """A filled movie; also the record beside it.

    Attributes:
        format, version: of the record.
        versions: of everything that changes pixels, by name.
        movie: the file.
        color, mask: what it was made of.
        mask_erosion_px: pixels taken off the mask's edge.
        fill: what filled.
        fps: such as "24000/1001".
        generated_mean, generated_max: share of the pixels that are filled, 0..1, of all frames and of the worst.
        generated: of each frame.
        notes: sentences that the user should read.
    """

    format: str
    version: int
    versions: dict[str, str]
    movie: str
    color: MovieSource
    mask: MovieSource
    mask_erosion_px: int
    fill: FillInfo
    fps: str
    generated_mean: float
    generated_max: float
    generated: tuple[float, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: "raster", "depth", "fill", "movie", "machine".
        name: what.
        works: whether it can be used here.
        detail: one sentence: what it is, or why not.
        hint: one sentence what to do, empty when there is nothing to do.
        licence: of what would be used.
        title: what it is called to people, "" = by its name.
        model: name of the model that it uses (``ModelInfo``), "" = of none that can be downloaded.
    """

    area: str
    name: str
    works: bool
    detail: str
    hint: str = ""
    licence: str = ""
    title: str = ""
    model: str = ""


@dataclass(frozen=True)
class DoctorResult:
    """What this machine can do.

    Attributes:
        usable: whether a plate can be re-shot on it.
        rasterizer: that is used unless told otherwise, None where none works.
        findings: all that was looked at.
    """

    usable: bool
    rasterizer: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class ShotPart:
    """One part of a shot's folder.

    Attributes:
        name: its path below the shot's folder.
        state: "missing": shot.json names it, and it is not there; "not hashed": sealed with sizes only, which fit;
            "newer": of a later version, so not looked at; "left over" and "in work": temporary, of a process that is
            dead or of one that may live.
        files: how many were looked at.
        detail: one sentence, empty where there is nothing to say.
    """

    name: str
    state: PartState
    files: int = 0
    detail: str = ""


@dataclass(frozen=True)
class CheckResult:
    """Whether a shot's folder is whole.

    Attributes:
        shot: the folder.
        whole: nothing of it is damaged or missing.
        parts: all that is in it.
    """

    shot: str
    whole: bool
    parts: tuple[ShotPart, ...]


@dataclass(frozen=True)
class CachedStage:
    """One folder of a shot's cache.

    Attributes:
        name: of the folder.
        stage: whose output it is, see ``stage_names``.
        files: how many it holds.
        size: of all of them, bytes.
    """

    name: str
    stage: str
    files: int
    size: int


@dataclass(frozen=True)
class CleanResult:
    """What of a shot's cache may go, or has gone.

    Attributes:
        shot: the folder.
        removed: it has gone.
        stages: all of it.
    """

    shot: str
    removed: bool
    stages: tuple[CachedStage, ...]


@dataclass(frozen=True)
class ColourSpaceInfo:
    """A colour space of an OpenColorIO configuration.

    Attributes:
        name: as the configuration calls it.
        aliases: other names of it.
        interop_id: its identifier of the Color Interop Forum; "" = none.
        kind: "linear" for scene-linear values, "log", "display", "data", "" where the configuration does not say.
    """

    name: str
    aliases: tuple[str, ...] = ()
    interop_id: str = ""
    kind: str = ""


@dataclass(frozen=True)
class ColourSpacesResult:
    """The colour spaces of a configuration.

    Attributes:
        config: its name, or its file.
        spaces: in its own order.
        roles: the name of a space for each role.
    """

    config: str
    spaces: tuple[ColourSpaceInfo, ...]
    roles: dict[str, str]


@dataclass(frozen=True)
class ModelsResult:
    """The models that can be downloaded, those for commercial work first.

    Attributes:
        models: depth models, then those that fill.
    """

    models: tuple[ModelInfo, ...]


@dataclass(frozen=True)
class DownloadResult:
    """A model that has come whole.

    Attributes:
        model: its name.
        folder: where its folders lie.
        licences: as its pages state them, by repository.
        revisions: of its repositories.
        estimators: that work now, the default first.
    """

    model: str
    folder: str
    licences: dict[str, str]
    revisions: dict[str, str]
    estimators: tuple[EstimatorInfo, ...]


@dataclass(frozen=True)
class FreeMemoryResult:
    """The worker process has ended.

    Attributes:
        freed_mib: memory that it held, MiB, None where unknown.
    """

    freed_mib: int | None


Result: TypeAlias = (
    ReconstructResult
    | ViewportResult
    | ProjectionResult
    | RenderResult
    | GenerateResult
    | RunResult
    | ExportResult
    | FillMoviesResult
    | DoctorResult
    | CheckResult
    | CleanResult
    | ColourSpacesResult
    | ModelsResult
    | DownloadResult
    | FreeMemoryResult
)
#: By the name of the job.
RESULTS: dict[str, type[Result]] = {
    "reconstruct": ReconstructResult,
    "viewport": ViewportResult,
    "projection": ProjectionResult,
    "render": RenderResult,
    "preview": RenderResult,
    "generate": GenerateResult,
    "run": RunResult,
    "export": ExportResult,
    "fill_movies": FillMoviesResult,
    "doctor": DoctorResult,
    "check": CheckResult,
    "clean": CleanResult,
    "colour_spaces": ColourSpacesResult,
    "models": ModelsResult,
    "download": DownloadResult,
    "free_memory": FreeMemoryResult,
}


def result_record(result: Result) -> dict[str, Any]:
    """A result as JSON; not to be changed, as the numbers in it are the result's own."""
    record: dict[str, Any] = to_record(result)
    return record


def parse_result(job: str, record: Mapping[str, Any]) -> Result | None:
    """The result of a job; what a newer backend has added is left out, and so is the result of a job that is not known
    here.

    Raises:
        UsageError: it is none of that job's.
    """
    return from_record(RESULTS[job], record, "result", lenient=True) if job in RESULTS else None
