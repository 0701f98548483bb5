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
        self._free: list[tuple[moderngl.Buffer, moderngl.Buffer]] = []

    def start_reading(self) -> Reading:
        """Let the device copy the pictures to buffers, in turn with what it has to do."""
        width, height = self.key[0]
        if self._free:
            buffers = self._free.pop()
        else:
            sizes = (4 * self.key[1].itemsize * width * height, 4 * width * height)
            buffers = (self._context.buffer(reserve=sizes[0]), self._context.buffer(reserve=sizes[1]))
        self.color.read_into(buffers[0], alignment=1)
        self.z.read_into(buffers[1], alignment=1)
        return Reading(self, buffers)

    def give_back(self, buffers: tuple[moderngl.Buffer, moderngl.Buffer]) -> None:
        """Let buffers be used again."""
        self._free.append(buffers)

    def release(self) -> None:
        """Free everything but buffers that are still being read."""
        buffers = [buffer for pair in self._free for buffer in pair]
        self._free.clear()
        textures = [self.visible, self._depth, self.color, self.z]
        held: list[Any] = [self.visible_pass, self.shade_pass, *textures, *buffers]
        for item in held:
            item.release()


class Reading:
    """A frame on its way back."""

    def __init__(self, target: Target, buffers: tuple[moderngl.Buffer, moderngl.Buffer]) -> None:
        self._target, self._buffers = target, buffers

    def finish(self) -> tuple[Texture, Float]:
        """(H, W, 4) colour and mask, (H, W) float32 z with 0 = none; waits for the device."""
        (width, height), dtype = self._target.key
        rgba: Texture = np.empty((height, width, 4), dtype=dtype)
        z = np.empty((height, width), dtype=np.float32)
        for buffer, out in zip(self._buffers, (rgba, z), strict=True):
            buffer.read_into(out)
        self._target.give_back(self._buffers)
        return rgba, z


def unpack(rgba: Texture, z: Float) -> RasterFrame:
    """The frame from what the device made."""
    mask = cv2.extractChannel(rgba, 3).astype(np.uint8, copy=False)
    z[z == 0] = np.nan
    return RasterFrame(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), mask, z)
