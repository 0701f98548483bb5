# SPDX-License-Identifier: Apache-2.0
"""The OpenGL context, programs and textures."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import ResourceError
from ex4d.raster.opengl.egl_device import cuda_numbers
from ex4d.system.devices import DEVICE_VARIABLE, named_gpu

SHADERS = Path(__file__).parents[1] / "shaders"
#: Per-vertex and per-face values are stored in rows of this many texels: plain textures exist on every driver. The
#: shader knows the number.
TEXTURE_ROW = 4096


def create_context() -> moderngl.Context:
    """An OpenGL 3.3 context without a window; on Linux on the GPU whose number ``EX4D_DEVICE`` names.

    Raises:
        ResourceError: this machine has none, or none on that GPU.
        UsageError: ``EX4D_DEVICE`` names no device.
    """
    backend: dict[str, Any] = {}
    if sys.platform.startswith("linux"):
        # EGL needs no display. glcontext looks the library up by name; its own error would not say what to install.
        if ctypes.util.find_library("EGL") is None:
            raise ResourceError(
                "The system library libEGL is missing, so OpenGL cannot start.",
                "Install it (Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri), or use --raster embree.",
            )
        backend = {"backend": "egl"}
        if (gpu := named_gpu()) is not None:
            backend["device_index"] = _egl_index(gpu)
    try:
        return moderngl.create_context(standalone=True, require=330, **backend)
    except Exception as error:
        # glcontext raises plain Exception.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ResourceError(
            f"OpenGL 3.3 cannot start: {reason}.",
            "Install a graphics driver (Debian, Ubuntu: apt install libegl1 libgl1-mesa-dri), or use --raster embree.",
        ) from error


def _egl_index(gpu: int) -> int:
    numbers = cuda_numbers()
    if gpu not in numbers:
        raise ResourceError(
            f"{DEVICE_VARIABLE} is «cuda:{gpu}», and OpenGL finds no such GPU.",
            f"Unset {DEVICE_VARIABLE}, or use --raster embree.",
        )
    return numbers.index(gpu)


def create_program(
    context: moderngl.Context,
    vertex: str,
    fragment: str,
    *,
    before_vertex: tuple[str, ...] = (),
    before_fragment: tuple[str, ...] = (),
    defines: Mapping[str, float] | None = None,
) -> Any:  # its items are uniforms of many types
    """A program from files of the shaders' folder.

    Args:
        context: where.
        vertex, fragment: names.
        before_vertex, before_fragment: names of files that stand before the shaders.
        defines: what the preprocessor knows.
    """

    def source(name: str, before: tuple[str, ...]) -> str:
        version, rest = (SHADERS / name).read_text(encoding="utf-8").split("\n", 1)
        known = (f"#define {word} {value}" for word, value in (defines or {}).items())
        return "\n".join([version, *known, *((SHADERS / part).read_text(encoding="utf-8") for part in before), rest])

    return context.program(
        vertex_shader=source(vertex, before_vertex), fragment_shader=source(fragment, before_fragment)
    )


class Uniforms:
    """A program's uniforms. Most stay what they are from frame to frame, and each one set is a call of the driver.
    Those that a variant of a shader has no use for are passed over."""

    def __init__(self, program: Any) -> None:  # its items are uniforms of many types
        self._program = program
        self._known = frozenset(program)
        self._set: dict[str, Any] = {}

    def set(self, values: dict[str, Any]) -> None:
        """Set those that have changed: numbers, tuples, or bytes of matrices."""
        for name, value in values.items():
            if name not in self._known or self._set.get(name) == value:
                continue
            if isinstance(value, bytes):
                self._program[name].write(value)
            else:
                self._program[name].value = value
            self._set[name] = value


def column_major(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """A matrix as OpenGL wants it."""
    return np.ascontiguousarray(matrix.T, dtype=np.float32)


def float_texture(context: moderngl.Context, values: NDArray[np.floating]) -> moderngl.Texture:
    """A texture of pairs of floats (H, W, 2)."""
    size = (values.shape[1], values.shape[0])
    return context.texture(size, 2, np.ascontiguousarray(values, np.float32), dtype="f4", alignment=1)
