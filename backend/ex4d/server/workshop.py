# SPDX-License-Identifier: Apache-2.0
"""The jobs themselves, and what a warm worker keeps between them."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import names_file, read_trajectory
from ex4d.composite.take import TAKE_FILE, take_folders
from ex4d.depth import AUTOMATIC, default_estimator, depth_names, working_estimators
from ex4d.depth.base import DepthSource
from ex4d.depth.solved import SolvedDepth, parse_points
from ex4d.diagnosis import default_rasterizer, diagnose, usable
from ex4d.fill import GENERATORS, FillOptions, Generator, create_generator
from ex4d.jobs.plans import DOCTOR, RECONSTRUCT, RENDER, VIEWPORT, take_plan
from ex4d.mesh import MeshSettings
from ex4d.mesh.store import MESH_CAMERA_FILE
from ex4d.mesh.viewport import ProxyShot, ViewportStage
from ex4d.pipeline import CameraRequest, Pipeline, RenderedShot, check_camera, take_camera
from ex4d.plate import FrameRange
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.jobs import (
    DoctorParams,
    GenerateParams,
    Params,
    PlateParams,
    ReconstructParams,
    RenderParams,
)
from ex4d.raster import Rasterizer, borrow_rasterizer
from ex4d.requests import depth_source, mesh_settings, parse_rate
from ex4d.server.preview import PREVIEW_FILE, PREVIEW_SCALE, PreviewStage, prune_previews
from ex4d.shot.folder import PlateRequest, Reconstruction, Shot
from ex4d.stages.stage_files import StageFiles
from ex4d.system.files import atomic_write, make_folder
from ex4d.system.progress import Progress

#: Longer side of the copy of a shot that previews are drawn from, pixels and vertices: a quarter of the plate's, as
#: previews are a quarter of a take's, within these.
PROXY_SIDES = (96, 256)
#: Memory for such copies, all shots together.
PROXY_BYTES = 512 << 20
#: Of a raster stage and a preview, what clients show themselves.
_SHOWN = ("color/", "mask/")
#: Viewport meshes have at least and at most so many vertices along their longer side.
VIEWPORT_SIDES = (16, 4096)


def profiles() -> list[dict[str, Any]]:
    """The ways to fill, for the client's menu."""
    return [
        {
            "name": name,
            "label": generator.label,
            "licence": generator.licence,
            "takes_seed": generator.takes_seed,
            "takes_prompt": generator.takes_prompt,
        }
        for name, generator in ((name, create_generator(name)) for name in GENERATORS)
    ]


def estimators() -> list[dict[str, str]]:
    """The estimators of depth that work here, the default one first, for the client's menu."""
    return [{"name": source.name, "label": source.label, "licence": source.licence} for source in working_estimators()]


def absolute(text: str, what: str) -> Path:
    """A path of a request; the backend's working folder is not the client's.

    Raises:
        UsageError: it is relative.
    """
    path = Path(text)
    if not path.is_absolute():
        raise UsageError(f"The {what} «{text}» is not an absolute path.", "Send absolute paths.")
    return path


def _plate_request(plate: PlateParams) -> PlateRequest:
    return PlateRequest(
        absolute(plate.path, "plate"),
        FrameRange.parse(plate.frames) if plate.frames is not None else None,
        parse_rate(plate.fps) if plate.fps is not None else None,
        plate.first_frame,
    )


@dataclass
class Workshop:
    """Does jobs, one at a time."""

    _proxies: dict[str, ProxyShot] = field(default_factory=dict)

    def warm_up(self) -> str:
        """Make the default rasterizer; returns the name of its device, or why there is none."""
        try:
            return self._rasterizer("auto").device
        except Exception as error:  # noqa: BLE001  a job will tell; a backend without it still reconstructs
            return str(error)

    def run(self, params: Params, blobs: tuple[bytes, ...], progress: Progress) -> dict[str, Any]:
        """The result of a job, JSON-able.

        Raises:
            Ex4dError: it cannot be done; whatever ``progress`` raises.
        """
        match params:
            case ReconstructParams():
                return self._reconstruct(params, blobs, progress)
            case RenderParams():
                return self._render(params, blobs, progress)
            case GenerateParams():
                return self._generate(params, blobs, progress)
            case DoctorParams():
                progress.expect(DOCTOR)
                with progress.stage("doctor"):
                    findings = diagnose()
                return {
                    "usable": usable(findings),
                    "rasterizer": default_rasterizer(findings),
                    "findings": [asdict(finding) for finding in findings],
                }
            case _:
                # free_memory is the front's: it ends this process.
                raise UsageError("The worker does not know this job.", "Use a client of the same version.")

    # Jobs ---------------------------------------------------------------------------------------------------------

    def _reconstruct(self, params: ReconstructParams, blobs: tuple[bytes, ...], progress: Progress) -> dict[str, Any]:
        low, high = VIEWPORT_SIDES
        if not low <= params.viewport_side <= high:
            raise UsageError(
                f"A viewport mesh of {params.viewport_side} vertices is out of range.", f"Choose {low} to {high}."
            )
        progress.expect((*RECONSTRUCT, *VIEWPORT))
        request = _plate_request(params.plate)
        shot = Shot(absolute(params.shot, "shot folder"))
        source = self._depth_source(params, shot, blobs)
        mesh = params.mesh
        settings = mesh_settings(mesh.min_angle, mesh.max_depth_ratio, mesh.max_grid_side, mesh.thickness)
        return shot.heal(lambda: self._make(shot, request, source, settings, params.viewport_side, progress), progress)

    @staticmethod
    def _make(
        shot: Shot,
        request: PlateRequest,
        source: DepthSource,
        settings: MeshSettings,
        viewport_side: int,
        progress: Progress,
    ) -> dict[str, Any]:
        reconstruction = shot.reconstruct(request, source, settings, progress)
        stage = ViewportStage(
            reconstruction.plate_key,
            reconstruction.mesh_key,
            reconstruction.frames,
            reconstruction.mesh,
            reconstruction.frames.folder / "frames",
            viewport_side,
        )
        viewport = shot.cache.ensure(stage, progress)
        # The client shows these itself.
        shot.cache.check(viewport)
        if not stage.needs_own_colors():
            shot.cache.check(reconstruction.frames.folder)
        return {**_shot_record(shot, reconstruction), "viewport": str(viewport)}

    @staticmethod
    def _depth_source(params: ReconstructParams, shot: Shot, blobs: tuple[bytes, ...]) -> DepthSource:
        depth = params.depth
        if depth.source == AUTOMATIC:
            depth = replace(depth, source=default_estimator())
        if depth.source not in depth_names():
            absolute(depth.source, "depth, which names no estimator,")
        camera = absolute(depth.camera, "camera file") if depth.camera else None
        if not blobs:
            return depth_source(depth.source, depth.kind, depth.scale, camera, depth.fov)
        if camera is not None:
            raise UsageError("Two source cameras are given.", "Send the camera as a file or as a blob.")
        # Kept in the shot: the depth stage reads it, and people may want it.
        camera = _keep_camera(shot, "source", blobs[0])
        if depth.source not in depth_names():
            return depth_source(depth.source, depth.kind, depth.scale, camera, depth.fov)
        points = parse_points(blobs[1]) if len(blobs) > 1 else np.empty((0, 3))
        estimator = depth_source(depth.source, depth.kind, depth.scale, None, depth.fov)
        return SolvedDepth(estimator, read_trajectory(camera), points)

    def _render(self, params: RenderParams, blobs: tuple[bytes, ...], progress: Progress) -> dict[str, Any]:
        started = time.monotonic()
        progress.expect(RENDER)
        shot = Shot(absolute(params.shot, "shot folder"))
        result = shot.heal(lambda: self._rendered(shot, params, blobs, progress), progress)
        return {**result, "seconds": round(time.monotonic() - started, 3)}

    def _rendered(
        self, shot: Shot, params: RenderParams, blobs: tuple[bytes, ...], progress: Progress
    ) -> dict[str, Any]:
        reconstruction = shot.reconstruction(progress).selected(_frames(params.frames))
        request = _camera_request(params, shot, blobs)
        if params.preview:
            folder, stage_record = self._preview(shot, reconstruction, request, params.raster, progress)
        else:
            rendered = Pipeline(shot, reconstruction, params.raster, progress).render(request)
            folder, stage_record = rendered.raster.folder, _raster_record(rendered)
        shot.cache.check(folder, _SHOWN)
        return {
            "folder": str(folder),
            "color": str(folder / "color"),
            "mask": str(folder / "mask"),
            "numbers": list(reconstruction.frames.numbers),
            **stage_record,
        }

    def _preview(
        self, shot: Shot, reconstruction: Reconstruction, request: CameraRequest, raster: str, progress: Progress
    ) -> tuple[Path, dict[str, Any]]:
        trajectory, _ = take_camera(request, reconstruction)
        rasterizer = self._rasterizer(raster)
        proxy = self._proxy(reconstruction)
        stage = PreviewStage(reconstruction.mesh_key, proxy, trajectory, rasterizer)
        folder = shot.cache.ensure(stage, progress)
        prune_previews(shot.cache.root, folder)
        return folder, StageFiles.open(folder).json(PREVIEW_FILE)

    def _generate(self, params: GenerateParams, blobs: tuple[bytes, ...], progress: Progress) -> dict[str, Any]:
        generator = create_generator(params.profile, FillOptions(params.seed, params.prompt or None))
        progress.expect(take_plan(generator))
        shot = Shot(absolute(params.shot, "shot folder"))
        before = set(take_folders(shot.takes))
        return shot.heal(lambda: self._deliver(shot, params, blobs, generator, before, progress), progress)

    @staticmethod
    def _deliver(
        shot: Shot,
        params: GenerateParams,
        blobs: tuple[bytes, ...],
        generator: Generator,
        before: set[Path],
        progress: Progress,
    ) -> dict[str, Any]:
        reconstruction = shot.reconstruction(progress).selected(_frames(params.frames))
        request = _camera_request(params, shot, blobs)
        pipeline = Pipeline(shot, reconstruction, params.raster, progress)
        with generator.read_ahead():
            generator.prepare(len(reconstruction.frames))
            rendered = pipeline.render(request)
            folder = pipeline.deliver(rendered, generator, title=params.title)
        shot.cache.check(rendered.raster.folder, _SHOWN)
        take = json.loads((folder / TAKE_FILE).read_text(encoding="utf-8"))
        return {
            "take": folder.name,
            "folder": str(folder),
            "numbers": list(reconstruction.frames.numbers),
            "fps": str(reconstruction.frames.fps),
            "result": str(folder / "result"),
            "movie": str(folder / "result.mp4"),
            "profile": params.profile,
            "label": take["fill"]["label"],
            "generated_mean": take["generated_mean"],
            "generated_max": take["generated_max"],
            "color": str(rendered.raster.folder / "color"),
            "mask": str(rendered.raster.folder / "mask"),
            **_raster_record(rendered),
            "notes": list(dict.fromkeys((*take["notes"], *rendered.notes))),
            "reused": folder in before,
        }

    # What is kept -------------------------------------------------------------------------------------------------

    def _rasterizer(self, name: str) -> Rasterizer:
        # Takes use the same one; a preview's buffers stay until then.
        return borrow_rasterizer(name)[0]

    def _proxy(self, reconstruction: Reconstruction) -> ProxyShot:
        key = f"{reconstruction.mesh_key}:{reconstruction.plate_key}"
        side = min(max(max(reconstruction.frames.size) // PREVIEW_SCALE, PROXY_SIDES[0]), PROXY_SIDES[1])
        proxy = self._proxies.pop(key, None) or ProxyShot(reconstruction.frames, reconstruction.mesh, side)
        # The most recently used one is the last; the others go first when memory is short.
        self._proxies[key] = proxy
        while len(self._proxies) > 1 and self._proxy_bytes() > PROXY_BYTES:
            del self._proxies[next(iter(self._proxies))]
        return proxy

    def _proxy_bytes(self) -> int:
        return sum(len(proxy.frames) * proxy.bytes_per_frame for proxy in self._proxies.values())


def _frames(text: str | None) -> FrameRange | None:
    return FrameRange.parse(text) if text is not None else None


def _camera_request(params: RenderParams | GenerateParams, shot: Shot, blobs: tuple[bytes, ...]) -> CameraRequest:
    if (params.camera is None) == (not blobs):
        raise UsageError("A take needs one camera.", "Name a move, or send a trajectory as the first blob.")
    camera = params.camera
    if camera is None:
        camera = str(_keep_camera(shot, "take", blobs[0]))
    elif names_file(camera):
        absolute(camera, "camera file")
    request = CameraRequest(camera, size=params.size)
    check_camera(request)
    return request


def _keep_camera(shot: Shot, name: str, data: bytes) -> Path:
    """A trajectory that a client has sent, as a file of the shot; raises BadInputError for what is none."""
    path = make_folder(shot.root / "cameras") / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}.json"
    # Its name says what is in it, so whatever else is there was damaged.
    if not path.is_file() or path.read_bytes() != data:
        atomic_write(path, data)
    try:
        read_trajectory(path)
    except BadInputError:
        path.unlink(missing_ok=True)
        raise
    return path


def _raster_record(rendered: RenderedShot) -> dict[str, Any]:
    raster = rendered.raster
    return {
        "coverage": [round(share, 6) for share in raster.coverage],
        "size": [raster.trajectory.width, raster.trajectory.height],
        "rasterizer": raster.rasterizer,
        "device": raster.device,
        "notes": list(rendered.notes),
    }


def _shot_record(shot: Shot, reconstruction: Reconstruction) -> dict[str, Any]:
    frames, depth, mesh = reconstruction.frames, reconstruction.depth, reconstruction.mesh
    return {
        "shot": str(shot.root),
        "plate": {
            **reconstruction.plate,
            "width": frames.width,
            "height": frames.height,
            "fps": str(frames.fps),
            "numbers": list(frames.numbers),
            "bit_depth": frames.bit_depth,
            "alpha": frames.has_alpha,
            "variable_rate": frames.variable_rate,
        },
        "depth": {
            "name": depth.name,
            "label": depth.label,
            "licence": depth.licence,
            "source_poses_known": depth.poses_known,
            "intrinsics_known": depth.intrinsics_known,
        },
        "pivot": mesh.pivot,
        "far": mesh.far,
        "source": str(mesh.folder / MESH_CAMERA_FILE),
        "notes": list(reconstruction.notes()),
    }
