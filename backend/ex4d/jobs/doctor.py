# SPDX-License-Identifier: Apache-2.0
"""What this machine can do, and why not more."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

from ex4d import __version__
from ex4d.depth import BUILT_IN, create_depth_source, depth_names
from ex4d.depth.base import DepthSource
from ex4d.depth.learned.estimator_spec import DEFAULT, ESTIMATOR_SPECS, EstimatorSpec
from ex4d.fill import Generator, create_generator
from ex4d.fill.registry import specs
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import DOCTOR
from ex4d.media.movie import h264_encoder
from ex4d.models.packages import FLASH3
from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.requests import DoctorRequest
from ex4d.protocol.results import DoctorResult, Finding
from ex4d.raster import AUTOMATIC, RASTERIZERS, create_rasterizer
from ex4d.system.machine import Gpu, gpus, memory_gib

#: What things are called to people.
_TITLES = {"opengl": "OpenGL", "embree": "Embree", "small": "Small Network", "prior": "Prior"}
#: Names by which software OpenGL drivers are known.
SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "software", "basic render")

#: Where there is more than one.
SEVERAL_GPUS = "GPUs in the add-on's preferences, or `ex4d serve --gpus all`, has each do a job of its own."
#: In names of cards of that architecture.
HOPPER = ("H100", "H200", "H800", "H20", "GH200")


def run(_request: DoctorRequest, context: JobContext) -> DoctorResult:
    """Look at everything; see ``diagnosis``."""
    context.progress.expect(DOCTOR)
    with context.progress.stage("doctor"):
        return diagnosis()


def diagnosis() -> DoctorResult:
    """What this machine can do; takes about a second, and several where the model's packages are installed."""
    findings = (*_machine(), *_rasterizers(), *_depth(), *_fills(), _movie())
    working = {finding.name for finding in findings if finding.area == "raster" and finding.works}
    return DoctorResult(bool(working), next((name for name in AUTOMATIC if name in working), None), findings)


def _machine() -> list[Finding]:
    memory = memory_gib()
    detail = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if memory is not None:
        detail += f", {memory:.1f} GiB of memory"
    cards = gpus()
    found = [
        Finding(
            "machine",
            "ex4d",
            True,
            f"ex4d {__version__} on Python {platform.python_version()} ({sys.executable})",
            title="Backend",
        ),
        Finding("machine", "computer", True, detail, title="Computer"),
    ]
    if not cards:
        found.append(Finding("machine", "NVIDIA GPU", False, "none found; learned models need one"))
    several = SEVERAL_GPUS if len(cards) > 1 else ""
    found += [Finding("machine", f"GPU {card.number}", True, _gpu_text(card), several) for card in cards]
    if any(name in card.name for card in cards for name in HOPPER):
        found.append(_flash3())
    return found


def _gpu_text(card: Gpu) -> str:
    if not card.memory_mib:
        return f"{card.name}; its driver tells no memory"
    return f"{card.name}, {card.memory_mib / 1024:.1f} GiB of memory, {card.free_mib / 1024:.1f} GiB free"


def _flash3() -> Finding:
    """On Hopper: whether its faster attention is there."""
    if find_spec(FLASH3) is not None:
        return Finding("machine", "FlashAttention-3", True, "installed", licence="BSD-3-Clause")
    detail, hint = "not installed; the profile fast is a tenth slower without it", 'pip install "ex4d[hopper]".'
    return Finding("machine", "FlashAttention-3", False, detail, hint, "BSD-3-Clause")


def _rasterizers() -> list[Finding]:
    findings = []
    for name in RASTERIZERS:
        try:
            rasterizer, _ = create_rasterizer(name)
        except Ex4dError as error:
            findings.append(Finding("raster", name, False, error.message, error.hint, title=_TITLES.get(name, "")))
            continue
        software = name == "opengl" and any(word in rasterizer.device.lower() for word in SOFTWARE_RENDERERS)
        hint = "This is a software driver; a graphics driver would make it many times faster." if software else ""
        findings.append(
            Finding("raster", name, True, rasterizer.device, hint, rasterizer.licence, _TITLES.get(name, ""))
        )
        rasterizer.close()
    return findings


def _depth() -> list[Finding]:
    findings = [Finding("depth", "files", True, "npz, npy, EXR, 16-bit PNG", licence="the user's", title="Depth Files")]
    for name in depth_names():
        source, spec = create_depth_source(name), ESTIMATOR_SPECS.get(name)
        found = _prepared("depth", name, source, source.prepare)
        title = spec.title if spec is not None else _TITLES.get(name, "")
        findings.append(replace(found, title=title, model=name if spec is not None else ""))
    return findings


def _prepared(area: str, name: str, thing: DepthSource | Generator, prepare: Callable[[], str]) -> Finding:
    """Whether something can run here, and how."""
    try:
        how = prepare()
    except Ex4dError as error:
        return Finding(area, name, False, error.message, error.hint, thing.licence)
    return Finding(area, name, True, f"{thing.label}; {how}" if how else thing.label, licence=thing.licence)


def depth_advice(findings: Sequence[Finding]) -> str:
    """Which depth is used unless told otherwise, and what would be better: a sentence or two."""
    working = {finding.name for finding in findings if finding.area == "depth" and finding.works}
    if DEFAULT in working:
        return f"Depth comes from «{DEFAULT}» unless --depth names another."
    advice = f"Depth comes from «{BUILT_IN}», a small network on the CPU, unless --depth names another."
    spec = ESTIMATOR_SPECS[DEFAULT]
    slow = "" if gpus() else " (slow without a GPU)"
    return f"{advice} {spec.title}, {spec.weights[0].licence}, is far better{slow}: {_how_to_get(spec)}."


def _how_to_get(spec: EstimatorSpec) -> str:
    download = f"`ex4d models download --depth {spec.name}`"
    try:
        spec.require_packages()
    except Ex4dError:
        return f"{spec.install}; then {download}"
    return download


def _fills() -> list[Finding]:
    findings = []
    for spec in specs():
        model = spec.files.name if spec.files is not None else ""
        for info in spec.infos:
            generator = create_generator(info.name)
            found = _prepared("fill", info.name, generator, partial(generator.prepare, None))
            findings.append(replace(found, title=f"Profile {info.name.title()}", model=model))
    return findings


def _movie() -> Finding:
    encoder = h264_encoder()
    if encoder is None:
        return Finding(
            "movie", "H.264", False, "PyAV has no H.264 encoder; movies are written as MPEG-4.", "pip install av."
        )
    return Finding("movie", "H.264", True, f"encoder {encoder}")
