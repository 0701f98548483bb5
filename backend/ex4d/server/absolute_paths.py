# SPDX-License-Identifier: Apache-2.0
"""The backend's working folder is not the client's: paths in requests must be absolute."""

from __future__ import annotations

from pathlib import Path

from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import (
    Camera,
    CheckRequest,
    CleanRequest,
    ColourSpacesRequest,
    DepthRequest,
    ExportRequest,
    FillMoviesRequest,
    FillRequest,
    GenerateRequest,
    PreviewRequest,
    ProjectionRequest,
    ReconstructRequest,
    RenderRequest,
    Request,
    RunRequest,
    TrajectoryCamera,
    ViewportRequest,
)
from ex4d.protocol.values import AUTOMATIC, PARALLAX


def check_absolute(request: Request) -> None:
    """Raise UsageError for a request with a relative path."""
    match request:
        case ReconstructRequest():
            _check(request.plate.path, "plate")
            _check_ocio(request.plate.ocio)
            _check(request.shot, "shot folder")
            _check_depth(request.depth)
        case RunRequest():
            check_absolute(request.reconstruct)
            for take in request.takes:
                check_absolute(take)
        case RenderRequest() | PreviewRequest():
            _check(request.shot, "shot folder")
            _check_camera(request.camera)
        case GenerateRequest():
            _check(request.shot, "shot folder")
            _check_camera(request.camera)
            _check_fill(request.fill)
        case ViewportRequest() | CheckRequest() | CleanRequest():
            _check(request.shot, "shot folder")
        case ProjectionRequest():
            _check(request.shot, "shot folder")
            _check(request.take, "folder of the take")
        case ColourSpacesRequest():
            _check_ocio(request.ocio)
        case ExportRequest():
            _check(request.shot, "shot folder")
            _check(request.out, "output folder")
            for camera in request.cameras:
                _check_camera(camera)
        case FillMoviesRequest():
            for path, what in ((request.color, "colour movie"), (request.mask, "mask"), (request.output, "output")):
                _check(path, what)
            _check_fill(request.fill)


def _check(text: str, what: str) -> None:
    if not Path(text).is_absolute():
        raise UsageError(f"The {what} «{text}» is not an absolute path.", "Send absolute paths.")


def _check_ocio(ocio: str | None) -> None:
    if ocio is not None and not ocio.startswith("ocio://"):
        _check(ocio, "OpenColorIO configuration")


def _check_depth(depth: DepthRequest) -> None:
    from ex4d.depth import depth_names

    if depth.source not in (AUTOMATIC, PARALLAX, *depth_names()):
        _check(depth.source, "depth, which names no estimator,")
    if depth.camera is not None:
        _check(depth.camera, "camera file")
    if depth.mattes is not None:
        _check(depth.mattes, "path of the mattes")


def _check_camera(camera: Camera) -> None:
    if isinstance(camera, TrajectoryCamera) and camera.file:
        _check(camera.file, "camera file")


def _check_fill(fill: FillRequest) -> None:
    from ex4d.fill.registry import all_options

    for place in fill.models:
        _check(place, "model folder")
    for name, option in all_options().items():
        value = fill.options.get(name)
        # An empty text says nothing.
        if option.kind == "file" and isinstance(value, str) and value:
            _check(value, f"file of the option {name}")
