# SPDX-License-Identifier: Apache-2.0
"""Plates with a lens, with pixels that are not square, with more pixels than the frame: the geometry of the shot."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import OpenEXR
import pytest
from command import make_depth, make_plate
from depth_factory import Collected
from numpy.typing import NDArray

from ex4d.camera import (
    Camera,
    Lens,
    LensCalibration,
    camera_from_blender,
    intrinsics,
    read_trajectory,
    static_trajectory,
    write_json,
)
from ex4d.composite.pixel_aspect import take_pixel_aspect
from ex4d.depth.base import DepthFrame, DepthResult
from ex4d.depth.plate_camera import PlateCamera
from ex4d.depth.plate_pixels import SquareFrames
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.jobs import export, generate, preview, reconstruct, render
from ex4d.jobs.cameras import take_camera
from ex4d.jobs.context import JobContext
from ex4d.media.frames import ArrayFrames
from ex4d.media.picture_facts import PixelWindow
from ex4d.mesh import MeshSettings, build_mesh
from ex4d.mesh.stage import MeshStage
from ex4d.mesh.store import MeshStore
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.requests import (
    DepthRequest,
    ExportRequest,
    GenerateRequest,
    MeshRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    TrajectoryCamera,
)
from ex4d.raster.stage import trajectory_hash
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction
from ex4d.stages.plate_pixels import on_plate, plate_intrinsics, square_size
from ex4d.system.progress import Silent

LENS = Lens("brown", (-0.25, 0.06, 0.01, 0.0, 0.004, -0.003))
SIZE = (64, 48)
CAMERA = Camera(intrinsics(55, *SIZE), np.eye(4), *SIZE, lens=LENS)


@dataclass(frozen=True)
class Plate(ArrayFrames):
    """Pictures in memory whose pixels have a shape, and more of which there are than the frame has."""

    aspect: Fraction = Fraction(1)
    window: PixelWindow | None = None

    @property
    def pixel_aspect(self) -> Fraction:
        return self.aspect

    @property
    def frame(self) -> PixelWindow | None:
        return self.window


def plate(size: tuple[int, int] = SIZE, count: int = 2, **more: Any) -> Plate:
    pictures = np.full((count, size[1], size[0], 3), 90, np.uint8)
    made = ArrayFrames.of(pictures, Fraction(25), range(1001, 1001 + count))
    return Plate(**{name: getattr(made, name) for name in ArrayFrames.__dataclass_fields__}, **more)


def tilted_plane(camera: Camera) -> NDArray[np.float32]:
    """z-depth (H, W) of the plane z = 4 + x/4 + y/10, seen through the lens."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    x, y = np.moveaxis(camera.rays(np.stack([columns, rows], axis=-1)), -1, 0)
    return (4 / (1 - x / 4 - y / 10)).astype(np.float32)


@pytest.mark.parametrize(
    "lens",
    [
        Lens("polynomial", (-0.25,)),
        Lens("division", (0.15,)),
        LENS,
        Lens("nuke", (0.1,)),
        Lens("opencv", (-0.2, 0.05, 0.001)),
    ],
    ids=lambda lens: lens.model,
)
def test_the_mesh_lies_on_the_rays_of_its_pixels(lens: Lens) -> None:
    size = (240, 270)
    K = intrinsics(420, *size)
    K[0, 0] = 210  # pixels twice as wide as they are high
    camera = Camera(K, np.eye(4), *size, lens=lens)
    mesh = build_mesh(tilted_plane(camera), camera, far=100.0)
    projected, z = camera.project(mesh.points.astype(np.float64))
    assert np.abs(projected - mesh.topology.pixels).max() < 1e-4
    grid = slice(0, mesh.topology.grid_vertices)
    x, y, depth = mesh.points[grid].astype(np.float64).T
    np.testing.assert_allclose(depth, 4 + x / 4 + y / 10, rtol=1e-5)
    assert mesh.face_valid[: mesh.topology.grid_faces].all()
    np.testing.assert_allclose(mesh.topology.uv[0], [0.5 / 240, 0.5 / 270], rtol=1e-6)
    assert (z > 0).all()


def test_edges_lie_on_the_rays_of_their_pixels() -> None:
    depth = np.full((48, 64), 5, np.float32)
    depth[12:30, 20:40] = 2
    mesh = build_mesh(depth, CAMERA, far=100.0, settings=MeshSettings(thickness=1.0))
    edges = mesh.edges
    assert edges is not None
    assert len(edges.replaced)
    # The first pieces begin at their lone corner, whose colour they have.
    lone = edges.points[: len(edges.replaced), 0].astype(np.float64)
    assert np.abs(CAMERA.project(lone)[0] - edges.plate[: len(edges.replaced), 0]).max() < 1e-3
    half = CAMERA.project(edges.points[: len(edges.replaced), 1].astype(np.float64))[0]
    assert np.abs(np.abs(half - edges.plate[: len(edges.replaced), 0]).max(axis=1) - 0.5).max() < 1e-3


def test_a_coarser_mesh_stays_on_the_rays() -> None:
    """Viewports show the right place for the distorted plate's own texture."""
    mesh = build_mesh(tilted_plane(CAMERA), CAMERA, far=100.0, settings=MeshSettings(max_grid_side=20))
    assert np.abs(CAMERA.project(mesh.points.astype(np.float64))[0] - mesh.topology.pixels).max() < 1e-4


class Known:
    """A source of depth that looks at the pictures that it is given."""

    name, label, licence, tolerance = "known", "known", "none", 0.1

    def __init__(self, fov_deg: float | None = 60.0) -> None:
        self.fov_deg, self.sizes = fov_deg, set()

    def prepare(self) -> str:
        return ""

    def inputs(self) -> dict[str, Any]:
        return {"fov_deg": self.fov_deg}

    def steps(self, frames: Any) -> int:
        return len(frames)

    def estimate(self, frames: Any, sink: Any, scratch: Path, progress: Any) -> DepthResult:
        for number in frames.numbers:
            self.sizes.add((frames.size, frames.read_8bit(number).shape[:2][::-1]))
            column = np.linspace(1, 2, frames.width, dtype=np.float32)
            sink.write(DepthFrame(number, np.broadcast_to(column, (frames.height, frames.width)).copy()))
        K = intrinsics(123, *frames.size)
        source = static_trajectory(K, *frames.size, len(frames)).numbered(frames.numbers, frames.fps)
        return DepthResult(source, poses_known=False, intrinsics_known=self.fov_deg is not None)


def depth_of(tmp_path: Path, frames: Plate, source: Any, lens: LensCalibration | None = None) -> DepthStore:
    out = tmp_path / "depth"
    out.mkdir()
    stage = DepthStage("plate", frames, source, lens)
    stage.run(out, Silent())
    camera = read_trajectory(out / "source_camera.json")
    record = json.loads((out / "depth.json").read_text())
    return DepthStore(None, camera, **{**record, "notes": tuple(record["notes"])})  # type: ignore[arg-type]


def maps_of(tmp_path: Path) -> list[NDArray[np.float32]]:
    return [np.load(path) for path in sorted((tmp_path / "depth" / "z").iterdir())]


@pytest.mark.parametrize(("aspect", "seen"), [(Fraction(2), (128, 48)), (Fraction(3, 4), (64, 64))])
def test_estimators_see_square_pixels(tmp_path: Path, aspect: Fraction, seen: tuple[int, int]) -> None:
    source = Known()
    store = depth_of(tmp_path, plate(aspect=aspect), source)
    assert source.sizes == {(seen, seen)}
    assert square_size(SIZE, aspect) == seen
    camera = store.source
    assert (camera.width, camera.height) == SIZE
    assert camera.K[0, 1, 1] / camera.K[0, 0, 0] == pytest.approx(float(aspect), rel=1e-12)
    longer = max(SIZE[0] * aspect, SIZE[1])
    assert camera.K[0, 1, 1] == pytest.approx(float(longer) / 2 / np.tan(np.radians(30)))
    for depth in maps_of(tmp_path):
        assert depth.shape == (48, 64)
        # A ramp across stays one: what was made wider is narrowed again.
        wanted = 1 + (np.arange(64) + 0.5) / 64
        np.testing.assert_allclose(depth[20], wanted, rtol=0.02)


def test_a_circle_stays_a_circle() -> None:
    """A sphere's outline before the camera, by K of a squeezed plate, in the shape that pixels are shown in."""
    for aspect in (Fraction(2), Fraction(4, 3)):
        K = plate_intrinsics(50, plate((1441, 1080), aspect=aspect))
        angles = np.linspace(0, 2 * np.pi, 720)
        ring = np.stack([np.cos(angles), np.sin(angles), np.full(720, 4.0)], axis=-1)
        pixels, _ = Camera(K, np.eye(4), 1441, 1080).project(ring)
        shown = (pixels - K[:2, 2]) * (float(aspect), 1)
        radii = np.linalg.norm(shown, axis=-1)
        assert radii.max() / radii.min() - 1 < 1e-3


def test_overscan_widens_the_source_camera_and_not_the_view(tmp_path: Path) -> None:
    window = PixelWindow(10, 6, 40, 30)
    frames = plate(window=window)
    store = depth_of(tmp_path, frames, Known())
    K = plate_intrinsics(60, frames)
    np.testing.assert_allclose(store.source.K[0], K)
    assert K[0, 0] == pytest.approx(40 / 2 / np.tan(np.radians(30)))
    assert K[:2, 2].tolist() == [30, 21]
    view = store.source.cropped(window.left, window.top, window.width, window.height)
    assert (view.width, view.height) == (40, 30)
    np.testing.assert_allclose(view.K[0], intrinsics(K[0, 0], 40, 30))
    # A camera of the frame, of any size, becomes one of all pixels; one of all pixels stays.
    given = static_trajectory(intrinsics(2 * K[0, 0], 80, 60), 80, 60, 2)
    np.testing.assert_allclose(on_plate(given, frames).K[0], K)
    np.testing.assert_allclose(on_plate(store.source, frames).K, store.source.K)


def test_mesh_store_shows_the_frame(tmp_path: Path) -> None:
    window = PixelWindow(10, 6, 40, 30)
    frames = plate(window=window)
    depth = depth_of(tmp_path, frames, Known())
    stage = MeshStage("plate", "depth", frames, _Maps(depth, tmp_path), MeshSettings())  # type: ignore[arg-type]
    out = tmp_path / "mesh"
    out.mkdir()
    list(stage.run_parts(out, stage.parts(), Silent()))
    names = stage.finish(out, [])
    assert "frame_camera.json" in names
    record = json.loads((out / "mesh.json").read_text())
    assert PixelWindow(**record["frame"]) == window
    store = MeshStore(None, depth.source, MeshSettings(), 1, 1, 1, window)  # type: ignore[arg-type]
    assert (store.view.width, store.view.height) == (40, 30)
    assert (store.source.width, store.source.height) == SIZE


@dataclass
class _Maps:
    store: DepthStore
    folder: Path

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def read(self, number: int) -> NDArray[np.float32]:
        return np.asarray(np.load(self.folder / "depth" / "z" / f"{number:06d}.npy"))


def test_the_lens_and_its_calibration_reach_the_source_camera(tmp_path: Path) -> None:
    calibrated = camera_from_blender(110.0, (66, 47), (128, 96))
    store = depth_of(tmp_path, plate(), Known(), LensCalibration(LENS, calibrated))
    assert store.source.lens == LENS
    np.testing.assert_allclose(store.source.K[0], [[55, 0, 33], [0, 55, 24.5], [0, 0, 1]])
    assert store.intrinsics_known
    assert not store.notes


def test_a_lens_without_its_focal_length_is_noted_or_refused(tmp_path: Path) -> None:
    store = depth_of(tmp_path, plate(), Known(None), LensCalibration(Lens("polynomial", (-0.05,))))
    assert any("focal length" in note for note in store.notes)
    result = Known().estimate(plate(), Collected(), tmp_path, None)
    wrong = LensCalibration(LENS, camera_from_blender(100, (50, 50), (100, 100)))
    with pytest.raises(BadInputError, match="another shape"):
        PlateCamera(plate(), Known(), wrong).of(result)  # type: ignore[arg-type]
    folded = LensCalibration(Lens("polynomial", (-2.0,)))
    with pytest.raises(BadInputError, match="folds"):
        PlateCamera(plate(), Known(), folded).of(result)  # type: ignore[arg-type]
    nothing = LensCalibration(Lens("polynomial", ()))
    assert PlateCamera(plate(), Known(), nothing).of(result).source.lens is None  # type: ignore[arg-type]


def test_square_frames_keep_what_the_plate_says() -> None:
    frames = SquareFrames.of(plate(count=3, aspect=Fraction(2)))
    assert frames.picked([1]).numbers == (1002,)
    assert frames.picked([1]).read(1002)[0].shape == (48, 128, 3)


def test_keys_know_the_lens_only_where_there_is_one() -> None:
    pinhole = static_trajectory(intrinsics(55, *SIZE), *SIZE, 2)
    assert trajectory_hash(pinhole) != trajectory_hash(replace(pinhole, lens=LENS))
    assert "lens" not in DepthStage("p", plate(), Known()).inputs()  # type: ignore[arg-type]
    assert "lens" in DepthStage("p", plate(), Known(), LensCalibration(LENS)).inputs()  # type: ignore[arg-type]


class Bench:
    """A shot of files with known depth."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_plate(root / "plate.mp4", 2, width=SIZE[0], height=SIZE[1])
        make_depth(root / "depth.npz", 2, *SIZE)

    def request(self, fov: float | None = 50, compat: Any = "none", **options: Any) -> ReconstructRequest:
        return ReconstructRequest(
            str(self.root / "shot"),
            PlateRequest(str(self.root / "plate.mp4"), **options),
            DepthRequest(str(self.root / "depth.npz"), fov=fov),
            MeshRequest(compat=compat),
            viewport_side=None,
        )

    def reconstruct(self, **options: Any) -> Any:
        return reconstruct.run(self.request(**options), JobContext(Silent()))

    @property
    def shot(self) -> Shot:
        return Shot(self.root / "shot")

    def open(self) -> Reconstruction:
        return open_reconstruction(self.shot)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


MILD = LensCalibration(Lens("brown", (-0.2, 0.02, 0, 0, 0.002, 0.001)))


def test_takes_have_the_plates_lens_unless_told_otherwise(bench: Bench, tmp_path: Path) -> None:
    bench.reconstruct(lens=MILD.text())
    made = bench.open()
    assert made.mesh.source.lens == MILD.lens
    assert "lens" in bench.shot.record["recipe"]
    taken = take_camera(MoveCamera("orbit:5"), None, bench.shot, made, "plate")
    assert taken.trajectory.lens == MILD.lens
    assert taken.record["lens"] == MILD.lens.record()
    assert take_camera(MoveCamera("orbit:5"), (128, 96), bench.shot, made, "plate").trajectory.lens == MILD.lens
    assert take_camera(MoveCamera("orbit:5"), None, bench.shot, made, "none").trajectory.lens is None
    write_json(tmp_path / "own.json", replace(static_trajectory(intrinsics(55, *SIZE), *SIZE, 2), lens=LENS))
    own = TrajectoryCamera((tmp_path / "own.json").read_bytes(), str(tmp_path / "own.json"))
    assert take_camera(own, None, bench.shot, made, "plate").trajectory.lens == LENS
    # Stages that are gone are made anew from the record, with the lens.
    for folder in ("depth", "mesh"):
        shutil.rmtree(bench.shot.cache.root / f"{folder}-{bench.shot.record['stages'][folder]}")
    assert bench.open().mesh.source.lens == MILD.lens


@pytest.mark.parametrize("lens", ["plate", "none"])
def test_all_jobs_draw_takes_through_the_lens_that_is_asked_for(bench: Bench, lens: Literal["plate", "none"]) -> None:
    bench.reconstruct(lens=MILD.text())
    shot, context, expected = str(bench.shot.root), JobContext(Silent()), MILD.lens if lens == "plate" else None
    camera = MoveCamera("orbit:5")
    render.run(RenderRequest(shot, camera, lens=lens), context)
    preview.run(PreviewRequest(shot, camera, lens=lens), context)
    generate.run(GenerateRequest(shot, camera, lens=lens), context)
    export.run(ExportRequest(shot, str(bench.root / "out"), cameras=(camera,), lens=lens), context)
    files = [path for folder in ("shot", "out") for path in (bench.root / folder).rglob("*.json")]
    cameras = [path for path in files if path.name.startswith(("trajectory", "camera_"))]
    assert {path.parent.name.split("-")[0] for path in cameras} >= {"raster", "v001", "out"}
    for path in cameras:
        assert read_trajectory(path).lens == expected, path


def test_lens_and_field_of_view_must_not_contradict(bench: Bench) -> None:
    both = LensCalibration(MILD.lens, camera_from_blender(55, (32, 24), SIZE)).text()
    with pytest.raises(UsageError, match="Two focal lengths"):
        bench.reconstruct(lens=both)
    with pytest.raises(UsageError, match="released"):
        bench.reconstruct(lens=MILD.text(), compat="ex4d")
    bench.reconstruct(lens=both, fov=None)
    np.testing.assert_allclose(bench.open().mesh.source.K[0], intrinsics(55, *SIZE))


def test_pixel_aspect_reaches_cameras_and_results(bench: Bench) -> None:
    plain = bench.reconstruct()
    squeezed = bench.reconstruct(pixel_aspect="2")
    assert (plain.plate.pixel_aspect, squeezed.plate.pixel_aspect) == ("1", "2")
    made = bench.open()
    K = made.mesh.source.K[0]
    assert K[1, 1] / K[0, 0] == pytest.approx(2, rel=1e-12)
    frames = made.frames
    same = take_camera(MoveCamera("orbit:5"), None, bench.shot, made, "plate").trajectory
    wide = take_camera(MoveCamera("orbit:5"), (128, 48), bench.shot, made, "plate").trajectory
    assert (take_pixel_aspect(frames, same), take_pixel_aspect(frames, wide)) == (2, 1)
    np.testing.assert_allclose(wide.K[:, 0, 0], wide.K[:, 1, 1])
    square = replace(same, K=np.broadcast_to(intrinsics(55, *SIZE), same.K.shape))
    assert take_pixel_aspect(frames, square) == 1
    # The same view, but the former take of the same shot is another.
    assert made.frames.pixel_aspect == 2


def test_stmaps_are_files_with_overscan(bench: Bench) -> None:
    request = ExportRequest(str(bench.shot.root), str(bench.root / "maps"), stmaps=True)
    bench.reconstruct()
    with pytest.raises(BadInputError, match="no lens"):
        export.run(request, JobContext(Silent()))
    bench.reconstruct(lens=MILD.text())
    result = export.run(request, JobContext(Silent()))
    with OpenEXR.File(result.stmaps["undistort"], separate_channels=True) as file:
        header = file.header()
        low, high = header["dataWindow"]
        assert tuple(header["displayWindow"][1]) == (63, 47)
        assert low[0] < 0
        assert high[0] > 63
        assert header["colorInteropID"] == "data"
        red = np.asarray(file.channels()["R"].pixels)
        assert red.dtype == np.float32
        assert red.shape == (high[1] - low[1] + 1, high[0] - low[0] + 1)
    with OpenEXR.File(result.stmaps["redistort"], separate_channels=True) as file:
        assert np.asarray(file.channels()["G"].pixels).shape == (48, 64)


class Listener(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("lens", ["plate", "none"])
def test_the_released_camera_file_says_that_it_knows_no_lens(bench: Bench, lens: Any) -> None:
    bench.reconstruct(lens=MILD.text())
    listener, moves = Listener(), (MoveCamera("hold"),)
    out = str(bench.root / "out")
    export.run(
        ExportRequest(str(bench.shot.root), out, cameras=moves, raster="embree", lens=lens), JobContext(listener)
    )
    assert any("pinholes" in note for note in listener.notes) == (lens == "plate")


def test_unknown_lens_words_are_refused() -> None:
    with pytest.raises(UsageError, match="lens"):
        RenderRequest("s", MoveCamera("hold"), lens="other")  # type: ignore[arg-type]
