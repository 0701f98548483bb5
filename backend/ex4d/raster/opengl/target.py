# SPDX-License-Identifier: Apache-2.0
"""What is drawn into, and how it comes back."""

from __future__ import annotations

from typing import Any

import cv2
import moderngl
import numpy as np

from ex4d.raster.base import RasterFrame, Texture

Float = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class Target:
    """Framebuffers of one size and colour depth, for the two passes."""

    def __init__(self, context: moderngl.Context, size: tuple[int, int], dtype: np.dtype[np.unsignedinteger]) -> None:
        self.key = (size, dtype)
        self._context = context
        self.visible = context.texture(size, 1, dtype="u4")
        self._depth = context.depth_renderbuffer(size)
        self.visible_pass = context.framebuffer([self.visible], self._depth)
        self.color = context.texture(size, 4, dtype=f"u{dtype.itemsize}", alignment=1)
        self.z = context.texture(size, 1, dtype="f4", alignment=1)
        self.shade_pass = context.framebuffer([self.color, self.z])
        self.color_bytes = 4 * dtype.itemsize * size[0] * size[1]
        self._free: list[moderngl.Buffer] = []

    def start_reading(self) -> Reading:
        """Let the device copy the pictures to a buffer, in turn with what else it has to do."""
        width, height = self.key[0]
        size = self.color_bytes + 4 * width * height
        buffer = self._free.pop() if self._free else self._context.buffer(reserve=size, dynamic=True)
        self.color.read_into(buffer, alignment=1)
        self.z.read_into(buffer, alignment=1, write_offset=self.color_bytes)
        return Reading(self, buffer)

    def give_back(self, buffer: moderngl.Buffer) -> None:
        """Let a buffer be used again."""
        self._free.append(buffer)

    def release(self) -> None:
        """Free everything but buffers that are still being read."""
        textures = [self.visible, self._depth, self.color, self.z]
        held: list[Any] = [self.visible_pass, self.shade_pass, *textures, *self._free]
        self._free = []
        for item in held:
            item.release()


class Reading:
    """A frame on its way back."""

    def __init__(self, target: Target, buffer: moderngl.Buffer) -> None:
        self._target, self._buffer = target, buffer

    def finish(self) -> tuple[Texture, Float]:
        """(H, W, 4) colour and mask, (H, W) float32 z with 0 = none; waits for the device."""
        (width, height), dtype = self._target.key
        rgba, z = np.empty((height, width, 4), dtype), np.empty((height, width), np.float32)
        self._buffer.read_into(rgba, size=rgba.nbytes)
        self._buffer.read_into(z, size=z.nbytes, offset=rgba.nbytes)
        self._target.give_back(self._buffer)
        return rgba, z


def unpack(rgba: Texture, z: Float) -> RasterFrame:
    """The frame from what the device made; ``z`` becomes part of it."""
    mask = cv2.extractChannel(rgba, 3).astype(np.uint8, copy=False)
    np.putmask(z, z == 0, np.nan)
    return RasterFrame(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), mask, z)
