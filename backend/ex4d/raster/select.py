# SPDX-License-Identifier: Apache-2.0
"""Choosing a rasterizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ex4d.protocol.errors import Ex4dError, ResourceError, UsageError
from ex4d.raster.base import Rasterizer
from ex4d.raster.embree import EmbreeRasterizer
from ex4d.raster.nvdiffrast import NvdiffrastRasterizer


def _opengl() -> Rasterizer:
    try:
        from ex4d.raster.opengl import OpenGLRasterizer
    except ImportError as error:
        raise ResourceError(f"moderngl cannot be imported: {error}.", "pip install moderngl.") from error
    return OpenGLRasterizer()


#: By name, in the order of preference. nvdiffrast is never chosen by itself: its licence is for research only.
RASTERIZERS: dict[str, Callable[[], Rasterizer]] = {
    "opengl": _opengl,
    "embree": EmbreeRasterizer,
    "nvdiffrast": NvdiffrastRasterizer,
}
AUTOMATIC = ("opengl", "embree")


def create_rasterizer(name: str = "auto") -> tuple[Rasterizer, tuple[str, ...]]:
    """The rasterizer of that name, or the first of ``AUTOMATIC`` that works on this machine.

    Returns:
        The rasterizer, and for "auto" one sentence for each that did not work, for the report.

    Raises:
        UsageError: there is none of that name.
        ResourceError: it does not work here.
    """
    if name != "auto":
        if name not in RASTERIZERS:
            raise UsageError(f"There is no rasterizer «{name}».", f"Use auto, {', '.join(RASTERIZERS)}.")
        return RASTERIZERS[name](), ()
    failures: list[Ex4dError] = []
    for candidate in AUTOMATIC:
        try:
            return RASTERIZERS[candidate](), tuple(str(failure) for failure in failures)
        except ResourceError as error:
            failures.append(error)
    raise none_works(failures)


def none_works(failures: Sequence[Ex4dError]) -> ResourceError:
    """The error where all of ``AUTOMATIC`` have failed."""
    return ResourceError(
        f"No rasterizer works on this machine: {' '.join(failure.message for failure in failures)}", failures[0].hint
    )
