# SPDX-License-Identifier: Apache-2.0
"""What a job needs while it runs, told by its request alone: where it runs, how many GPUs, which model, which shot."""

from __future__ import annotations

import json
import os
from pathlib import PurePath

from ex4d.protocol.requests import (
    CheckRequest,
    CleanRequest,
    ColourSpacesRequest,
    DoctorRequest,
    DownloadRequest,
    FillMoviesRequest,
    FillRequest,
    FreeMemoryRequest,
    GenerateRequest,
    ModelsRequest,
    ReconstructRequest,
    Request,
    RunRequest,
)
from ex4d.protocol.values import DEFAULT_GENERATOR

#: The places where jobs run side by side: a look at the machine must not wait for a film, and no film for gigabytes.
WORK_LANE, DOCTOR_LANE, DOWNLOAD_LANE = "work", "doctor", "download"
#: The option of a fill that says how many GPUs share a take.
GPUS_OPTION = "gpus"

#: A tuple, for mypy follows no name of a union.
_WITHOUT_SHOT = (
    DoctorRequest,
    CheckRequest,
    ColourSpacesRequest,
    ModelsRequest,
    DownloadRequest,
    FreeMemoryRequest,
    FillMoviesRequest,
)


def lane_of(request: Request) -> str:
    """Where a job runs."""
    if isinstance(request, DownloadRequest):
        return DOWNLOAD_LANE
    is_look = isinstance(request, DoctorRequest | CheckRequest | ColourSpacesRequest | ModelsRequest)
    return DOCTOR_LANE if is_look or _looks_at_cache(request) else WORK_LANE


def _looks_at_cache(request: Request) -> bool:
    """Whether somebody waits to be told what may go of a shot's cache: nothing goes yet."""
    return isinstance(request, CleanRequest) and not request.remove


def shot_of(request: Request) -> PurePath | None:
    """The folder of its shot, None where it has none."""
    if isinstance(request, RunRequest):
        request = request.reconstruct
    if isinstance(request, _WITHOUT_SHOT):
        return None
    # As the folder is spelled, without a look at the disk, which may be a slow one.
    return PurePath(os.path.normcase(os.path.normpath(request.shot)))


def is_alone(request: Request) -> bool:
    """Whether no other job of its shot runs beside it: it changes what they begin with."""
    return isinstance(request, ReconstructRequest | RunRequest | CleanRequest) and not _looks_at_cache(request)


def is_light(request: Request) -> bool:
    """Whether it loads no model: it is over soon, and takes next to no memory of a GPU."""
    if isinstance(request, ReconstructRequest | RunRequest):
        return False
    fill = _fill(request)
    return fill is None or fill.generator == DEFAULT_GENERATOR


def worker_count(request: Request, workers: int) -> int:
    """How many of so many workers it takes for itself: one a GPU that shares its work. One that asks for more GPUs than
    there are begins at once on one worker, which refuses it."""
    if isinstance(request, FreeMemoryRequest):
        return workers
    asked = gpu_count(request)
    return asked if asked <= workers else 1


def gpu_count(request: Request) -> int:
    """How many GPUs share its work."""
    fill = _fill(request)
    asked = fill.options.get(GPUS_OPTION) if fill is not None else None
    return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked > 1 else 1


def model_key(request: Request) -> str:
    """Names the model that its fill needs, as it is laid out; "" where nothing is filled. Jobs with the same key need
    the same one; that those with other keys need another one is not said."""
    fill = _fill(request)
    if fill is None:
        return ""
    lora = fill.options.get("distill_lora")
    return json.dumps([fill.generator, *fill.models, lora, gpu_count(request)])


def _fill(request: Request) -> FillRequest | None:
    if isinstance(request, RunRequest):
        return request.takes[0].fill
    return request.fill if isinstance(request, GenerateRequest | FillMoviesRequest) else None
