# SPDX-License-Identifier: Apache-2.0
"""What can be asked of the backend: one frozen data class for each job, with its defaults. Each checks its values when
it is made; ``values`` has the rules.

Paths are texts; what comes over the wire must name them absolutely (``server.absolute_paths``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, TypeAlias, get_args

from ex4d.protocol.blobs import attach_blobs, detach_blobs
from ex4d.protocol.capabilities import OptionValue
from ex4d.protocol.errors import UsageError
from ex4d.protocol.parse_dataclass import from_record, to_record
from ex4d.protocol.values import (
    AUTOMATIC,
    DEFAULT_GENERATOR,
    FIRST_FRAME,
    MASK_EROSION,
    MAX_DEPTH_RATIO,
    MAX_GRID_SIDE,
    MIN_ANGLE_DEG,
    THICKNESS,
    VIEWPORT_SIDE,
    CodesAs,
    ColourMatrix,
    ColourRange,
    EditMovie,
    ExrCompression,
    FrameRange,
    OverRange,
    SourceCameraKind,
    TakeLens,
    check_choice,
    check_fov,
    check_handles,
    check_lens,
    check_mask_erosion,
    check_mesh,
    check_name,
    check_seed,
    check_size,
    check_viewport_side,
    parse_pivot,
    parse_pixel_aspect,
    parse_rate,
)

MeshFormat: TypeAlias = Literal["ply", "pc2", "npz"]
CameraFormat: TypeAlias = Literal["json", "colmap", "chan"]


def _range(text: str | None) -> FrameRange | None:
    return FrameRange.parse(text) if text is not None else None


@dataclass(frozen=True)
class PlateRequest:
    """Which frames of which plate.

    Attributes:
        path: movie, folder, pattern or image.
        frames: such as "1001-1049", by the plate's own numbers; None = all.
        fps: such as "24000/1001"; None = the plate's own, or 24.
        first_frame: number of a movie's first frame.
        handles: so many frames before and after ``frames`` are read as well, where the plate has them.
        colour_space: a name of the configuration, or "auto" for what the file says.
        ocio: path of an OpenColorIO configuration; None = $OCIO, or the built-in one.
        layer: of EXR files with several; None = the picture without a layer's name.
        over_range: what becomes of values beyond black and white of a limited-range movie: "clip" or "keep"; None =
            clipped in 8-bit movies, else kept.
        colour_matrix: of a movie's luma and chroma, before what the movie says; "auto" = what it says, else BT.709 from
            a height of 720 on and of codecs for high definition, BT.601 of others.
        colour_range: of a movie's luma and chroma, before what the movie says; "auto" = what it says, else limited.
        pixel_aspect: such as "2" or "4/3"; None = what the file says.
        lens: what a lens file says: JSON of ``ex4d.camera.lens``, or a calibration as OpenCV writes it; None = a
            pinhole.
    """

    path: str
    frames: str | None = None
    fps: str | None = None
    first_frame: int = FIRST_FRAME
    handles: int = 0
    colour_space: str = AUTOMATIC
    ocio: str | None = None
    layer: str | None = None
    over_range: OverRange | None = None
    pixel_aspect: str | None = None
    lens: str | None = None
    colour_matrix: ColourMatrix = "auto"
    colour_range: ColourRange = "auto"

    def __post_init__(self) -> None:
        _range(self.frames)
        check_handles(self.handles)
        check_choice(self.over_range, (None, *get_args(OverRange)), "over-range")
        check_choice(self.colour_matrix, get_args(ColourMatrix), "colour-matrix")
        check_choice(self.colour_range, get_args(ColourRange), "colour-range")
        if self.fps is not None:
            parse_rate(self.fps)
        if self.pixel_aspect is not None:
            parse_pixel_aspect(self.pixel_aspect)

    @property
    def aspect(self) -> Fraction | None:
        """``pixel_aspect``, read."""
        return parse_pixel_aspect(self.pixel_aspect) if self.pixel_aspect is not None else None

    @property
    def range(self) -> FrameRange | None:
        """``frames``, read."""
        return _range(self.frames)

    @property
    def rate(self) -> Fraction | None:
        """``fps``, read."""
        return parse_rate(self.fps) if self.fps is not None else None


@dataclass(frozen=True)
class DepthRequest:
    """Where depth comes from.

    Attributes:
        source: the name of an estimator, "auto" for the best one that works and is free to use, or the path of depth
            files. Where a solved camera moves "auto" is measured from parallax, with that estimator in gaps, and
            "parallax" asks for that.
        kind: what files hold; None = they say so themselves, or depth.
        scale: per code value, of files.
        camera: path of a trajectory file with the source camera's K and poses, of files.
        fov: over the longer side, degrees; None = as the source or the plate's files say, or
            ``values.DEFAULT_FOV_DEG``.
        focal_mm, sensor_mm: the same in other words: focal length of the plate's lens, and width of what the frame
            shows of the sensor (times the squeeze of an anamorphic lens), mm; both or neither.
        mattes: path of pictures of what moves by itself, white on black, one for each frame: movie, folder, pattern or
            image; for depth that is measured from parallax. None = it is found.
    """

    source: str = AUTOMATIC
    kind: Literal["depth", "disparity"] | None = None
    scale: float | None = None
    camera: str | None = None
    fov: float | None = None
    focal_mm: float | None = None
    sensor_mm: float | None = None
    mattes: str | None = None

    def __post_init__(self) -> None:
        if self.fov is not None:
            check_fov(self.fov)
        check_lens(self.focal_mm, self.sensor_mm, self.fov)
        if self.kind not in (None, "depth", "disparity"):
            raise UsageError(f"Depth files cannot hold «{self.kind}».", "Use depth or disparity.")


@dataclass(frozen=True)
class MeshRequest:
    """The mesh.

    Attributes:
        min_angle: smallest interior angle of a valid face, degrees.
        max_depth_ratio: largest ratio of depths inside a valid face.
        max_grid_side: vertices along the longer side at most.
        thickness: how deep things are thought to be, as a share of their width; inf = nothing behind them is seen.
        compat: "ex4d" builds the mesh as the released code does.
    """

    min_angle: float = MIN_ANGLE_DEG
    max_depth_ratio: float = MAX_DEPTH_RATIO
    max_grid_side: int = MAX_GRID_SIDE
    thickness: float = THICKNESS
    compat: Literal["none", "ex4d"] = "none"

    def __post_init__(self) -> None:
        check_mesh(self.min_angle, self.max_depth_ratio, self.thickness, self.max_grid_side)


@dataclass(frozen=True)
class SolvedCamera:
    """The source camera as somebody has solved it.

    Attributes:
        camera: trajectory, JSON of ``ex4d.camera``, in the shot's world.
        points: JSON ``{"points": [[x, y, z], …]}`` in the same world, for an estimator's scale; None = none.
    """

    camera: bytes
    points: bytes | None = None


@dataclass(frozen=True)
class ReconstructRequest:
    """Plate, depth, mesh, and the mesh for a viewport.

    Attributes:
        shot: the shot's folder.
        solved: a solved source camera, of all frames. With a ``source_camera`` that is to be solved, perhaps of some
            frames only: it stays as it is, is checked against the plate, and the rest is solved around it.
        source_camera: "still", or how it moves where it is to be solved from the plate: "turns", "moves", or "auto" for
            what the plate shows. With estimated depth alone: depth files come with their cameras. None = "auto" for a
            new shot; one that was reconstructed before keeps what it has.
        viewport_side: vertices along the longer side of the viewport's mesh at most; None = no such mesh is made.
    """

    shot: str
    plate: PlateRequest
    depth: DepthRequest = field(default_factory=DepthRequest)
    mesh: MeshRequest = field(default_factory=MeshRequest)
    solved: SolvedCamera | None = None
    viewport_side: int | None = VIEWPORT_SIDE
    source_camera: SourceCameraKind | None = None

    def __post_init__(self) -> None:
        check_choice(self.source_camera, (None, *get_args(SourceCameraKind)), "the source camera")
        if self.viewport_side is not None:
            check_viewport_side(self.viewport_side)
        if self.solved is not None and self.depth.camera is not None:
            raise UsageError("Two source cameras are given.", "Send the camera as a file or as a blob.")


@dataclass(frozen=True)
class ViewportRequest:
    """The mesh for a viewport, of a reconstructed shot.

    Attributes:
        shot: the shot's folder.
        side: vertices along the longer side at most.
    """

    shot: str
    side: int = VIEWPORT_SIDE

    def __post_init__(self) -> None:
        check_viewport_side(self.side)


@dataclass(frozen=True)
class ProjectionRequest:
    """What a 3D program needs to project a finished take on the shot's viewport mesh.

    Attributes:
        shot: the shot's folder.
        take: the folder of the take's version.
        side: of the mesh, see ``ViewportRequest``.
        raster: rasterizer, or "auto".
    """

    shot: str
    take: str
    side: int = VIEWPORT_SIDE
    raster: str = AUTOMATIC

    def __post_init__(self) -> None:
        check_viewport_side(self.side)


@dataclass(frozen=True)
class MoveCamera:
    """A camera that moves beside the source camera.

    Attributes:
        move: such as "orbit:30", see ``ex4d.camera.presets``.
        pivot: what it turns about: "auto", a distance along the optical axis ("2.5"), or a point x,y,z in the base
            camera's axes (OpenCV); world units.
        follow: ride on the source camera, instead of starting from its first frame.
    """

    move: str
    pivot: str = AUTOMATIC
    follow: bool = True

    def __post_init__(self) -> None:
        parse_pivot(self.pivot)


@dataclass(frozen=True)
class TrajectoryCamera:
    """A camera of one pose a frame.

    Attributes:
        trajectory: JSON of ``ex4d.camera``, in the shot's world.
        file: the file that it was read from, which records and errors name; "" = none, and the job keeps one in the
            shot.
        notes: sentences for the report, on what was assumed when that was read.
        made_of: the move that it was made of, such as orbit:30, where a program knows; it stands in the take's record,
            and moves nothing.
    """

    trajectory: bytes
    file: str = ""
    notes: tuple[str, ...] = ()
    made_of: str = ""


Camera: TypeAlias = MoveCamera | TrajectoryCamera


@dataclass(frozen=True)
class FillRequest:
    """What fills the pixels that were not measured.

    Attributes:
        generator: name of a generator.
        options: of its own (``GeneratorInfo.options``), by name; those left out have their defaults.
        models: folders or files of models, () = ``EX4D_MODELS`` or the user's folder.
    """

    generator: str = DEFAULT_GENERATOR
    options: dict[str, OptionValue] = field(default_factory=dict)
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.generator, "generator")
        seed = self.options.get("seed")
        if isinstance(seed, int) and not isinstance(seed, bool):
            check_seed(seed)


@dataclass(frozen=True)
class _OfTake:
    """What every request about a take has.

    Attributes:
        shot: the shot's folder.
        camera: the take's.
        size: (width, height) in pixels; None = the trajectory's, or the plate's.
        frames: such as "1001-1020", by the plate's own numbers; None = all.
        raster: name of a rasterizer, or "auto".
        lens: "plate" = pictures as the plate's own lens draws them, "none" = as a pinhole does; without effect where
            the plate has no lens.
    """

    shot: str
    camera: Camera
    size: tuple[int, int] | None = None
    frames: str | None = None
    raster: str = AUTOMATIC
    lens: TakeLens = field(default="plate", kw_only=True)

    def __post_init__(self) -> None:
        _range(self.frames)
        check_choice(self.lens, get_args(TakeLens), "lens")
        if self.size is not None:
            check_size(self.size)

    @property
    def range(self) -> FrameRange | None:
        """``frames``, read."""
        return _range(self.frames)


@dataclass(frozen=True)
class RenderRequest(_OfTake):
    """Colour, mask and coverage of a take."""


@dataclass(frozen=True)
class PreviewRequest(_OfTake):
    """A quick look at a take, drawn from a small copy of the shot that is kept in memory: fast, approximate at edges.

    Attributes:
        take: what the client calls its take: a newer preview of the same shot and take replaces one that still waits.
            "" = none is replaced.
    """

    take: str = ""


@dataclass(frozen=True)
class OutputRequest:
    """What is delivered of a take, and how its fill is brought to the plate.

    Attributes:
        pictures: of plates whose values are codes of a camera's log, PQ, HLG …: "linear" = scene-linear EXR files,
            "codes" = the plate's own curve in PNG files of 16 bits. Others are delivered in their own way.
        compression: of EXR files.
        aov: a second sequence with fill, matte, origin, depth, UV, motion.
        movie: a movie of the result for editing; None = the preview alone.
        audio: the plate's sound goes into the movies.
        grain: the plate's noise is given to what a model drew.
        colour_match: a model's shift of colours is taken off its fill.
    """

    pictures: CodesAs = "linear"
    compression: ExrCompression = "zip"
    aov: bool = False
    movie: EditMovie | None = None
    audio: bool = False
    grain: bool = False
    colour_match: bool = True

    def __post_init__(self) -> None:
        check_choice(self.pictures, get_args(CodesAs), "pictures")
        check_choice(self.compression, get_args(ExrCompression), "compression")
        check_choice(self.movie, (None, *get_args(EditMovie)), "movie")


@dataclass(frozen=True)
class GenerateRequest(_OfTake):
    """A take, delivered.

    Attributes:
        fill: what fills its holes.
        title: what the client calls the take; stands in its record.
        handles: so many frames before and after ``frames`` are delivered as well, where the shot has them.
        output: what is delivered.
    """

    fill: FillRequest = field(default_factory=FillRequest)
    title: str = ""
    handles: int = 0
    output: OutputRequest = field(default_factory=OutputRequest)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_handles(self.handles)


@dataclass(frozen=True)
class RunRequest:
    """A plate reconstructed and its takes delivered.

    Attributes:
        reconstruct: the plate.
        takes: of the same shot and fill.
    """

    reconstruct: ReconstructRequest
    takes: tuple[GenerateRequest, ...]

    def __post_init__(self) -> None:
        if not self.takes:
            raise UsageError("No camera is named.", "Give at least one take.")
        fill = self.takes[0].fill
        if any(take.shot != self.reconstruct.shot or take.fill != fill for take in self.takes):
            raise UsageError("The takes are of several shots or fills.", "Ask for them one by one.")


@dataclass(frozen=True)
class ExportRequest:
    """Files for other programs, as EX-4D's recon.py names them: meshes, and renders as movies with their cameras.

    Attributes:
        shot: the shot's folder.
        out: the folder that gets them.
        meshes: formats of ``DW-Mesh``.
        cameras: each is rendered, and gives four files, called by its move or by the file it was read from.
        size, raster, lens: see ``RenderRequest``.
        stmaps: maps that take the plate's lens off pictures and put it on again.
        source_camera: formats of the plate's own camera: ours, a COLMAP text model with the solve's points, Nuke's.
    """

    shot: str
    out: str
    meshes: tuple[MeshFormat, ...] = ()
    cameras: tuple[Camera, ...] = ()
    size: tuple[int, int] | None = None
    raster: str = AUTOMATIC
    lens: TakeLens = "plate"
    stmaps: bool = False
    source_camera: tuple[CameraFormat, ...] = ()

    def __post_init__(self) -> None:
        check_choice(self.lens, get_args(TakeLens), "lens")
        if self.size is not None:
            check_size(self.size)


@dataclass(frozen=True)
class FillMoviesRequest:
    """A render that exists as two movies only, filled.

    Attributes:
        color, mask: the movies, or image sequences; in the mask white = real.
        output: the .mp4 file to write, with a record beside it.
        mask_erosion: pixels to take off the mask's edge, which compression has blurred.
        count: frames to take, evenly out of all; None = all.
        fill: what fills the holes.
    """

    color: str
    mask: str
    output: str
    mask_erosion: int = MASK_EROSION
    count: int | None = None
    fill: FillRequest = field(default_factory=FillRequest)

    def __post_init__(self) -> None:
        check_mask_erosion(self.mask_erosion)


@dataclass(frozen=True)
class DoctorRequest:
    """What this machine can do; nothing to choose."""


@dataclass(frozen=True)
class CheckRequest:
    """Whether a shot's folder is whole.

    Attributes:
        shot: the folder.
    """

    shot: str


@dataclass(frozen=True)
class CleanRequest:
    """What of a shot's cache can be made again, to be listed or removed.

    Attributes:
        shot: the folder.
        remove: it goes; else it is only looked at.
        keep: names of folders in the cache that stay because the client shows them, such as "raster-0123".
    """

    shot: str
    remove: bool = False
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColourSpacesRequest:
    """The colour spaces that an OpenColorIO configuration knows.

    Attributes:
        ocio: path of a configuration, or "ocio://…" for a built-in one; None = the one that plates have unless told
            otherwise.
    """

    ocio: str | None = None


@dataclass(frozen=True)
class ModelsRequest:
    """Which models can be downloaded, and which are here; nothing to choose."""


@dataclass(frozen=True)
class DownloadRequest:
    """Get a model from the hub, or the rest of it.

    Attributes:
        model: name of a ``ModelInfo``.
    """

    model: str

    def __post_init__(self) -> None:
        check_name(self.model, "model")


@dataclass(frozen=True)
class FreeMemoryRequest:
    """End the worker process, so that all its memory is free; nothing to choose."""


Request: TypeAlias = (
    ReconstructRequest
    | ViewportRequest
    | ProjectionRequest
    | RenderRequest
    | PreviewRequest
    | GenerateRequest
    | RunRequest
    | ExportRequest
    | FillMoviesRequest
    | DoctorRequest
    | CheckRequest
    | CleanRequest
    | ColourSpacesRequest
    | ModelsRequest
    | DownloadRequest
    | FreeMemoryRequest
)
#: By the name of the job.
REQUESTS: dict[str, type[Request]] = {
    "reconstruct": ReconstructRequest,
    "viewport": ViewportRequest,
    "projection": ProjectionRequest,
    "render": RenderRequest,
    "preview": PreviewRequest,
    "generate": GenerateRequest,
    "run": RunRequest,
    "export": ExportRequest,
    "fill_movies": FillMoviesRequest,
    "doctor": DoctorRequest,
    "check": CheckRequest,
    "clean": CleanRequest,
    "colour_spaces": ColourSpacesRequest,
    "models": ModelsRequest,
    "download": DownloadRequest,
    "free_memory": FreeMemoryRequest,
}
_JOBS: dict[type[Request], str] = {cls: name for name, cls in REQUESTS.items()}


def job_name(request: Request) -> str:
    """The name of the job that a request asks for."""
    return _JOBS[type(request)]


def request_record(request: Request) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """A request as JSON, and the blobs that it names (``blobs``)."""
    return detach_blobs(to_record(request))


def parse_request(job: str, record: Mapping[str, Any], blobs: tuple[bytes, ...] = ()) -> Request:
    """The checked request of a job.

    Raises:
        UsageError: there is no such job, the record is not a request for it, or a blob is missing or too many.
    """
    if job not in REQUESTS:
        raise UsageError(f"There is no job «{job[:40]}».", f"Use one of: {', '.join(REQUESTS)}.")
    return from_record(REQUESTS[job], attach_blobs(record, blobs))
