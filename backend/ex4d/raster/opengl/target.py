# SPDX-License-Identifier: Apache-2.0
"""What is drawn into, and how it comes back."""

from __future__ import annotations

from typing import Any

import moderngl
import numpy as np

from ex4d.raster.base import RasterFrame


class Target:
    """Framebuffers of one size and colour depth, for the three passes."""

    def __init__(self, context: moderngl.Context, size: tuple[int, int], dtype: np.dtype[np.unsignedinteger]) -> None:
        self.key = (size, dtype)
        self._context = context
        width, height = size
        code_value = f"u{dtype.itemsize}"
        self.visible = context.texture(size, 1, dtype="u4")
        self._depth = context.depth_renderbuffer(size)
        self.visible_pass = context.framebuffer([self.visible], self._depth)
        self.color = context.texture(size, 4, dtype=code_value, alignment=1)
        self._mask = context.texture(size, 1, dtype="u1", alignment=1)
        self._z = context.texture(size, 1, dtype="u4", alignment=1)
        self.shade_pass = context.framebuffer([self.color, self._mask, self._z])
        # Three values a pixel, four a texel.
        self._packed = context.texture((width, -(-3 * height // 4)), 4, dtype=code_value, alignment=1)
        self.pack_pass = context.framebuffer([self._packed])
        # In a buffer each of them starts at a multiple of its values' size.
        self.color_offset = 4 * width * height
        self.mask_offset = self.color_offset + 4 * dtype.itemsize * width * self._packed.height
        self._free: list[moderngl.Buffer] = []

    def start_reading(self) -> Reading:
        """Let the device copy the pictures to a buffer, in turn with what else it has to do."""
        width, height = self.key[0]
        size = self.mask_offset + width * height
        buffer = self._free.pop() if self._free else self._context.buffer(reserve=size, dynamic=True)
        self._z.read_into(buffer, alignment=1)
        self._packed.read_into(buffer, alignment=1, write_offset=self.color_offset)
        self._mask.read_into(buffer, alignment=1, write_offset=self.mask_offset)
        return Reading(self, buffer)

    def give_back(self, buffer: moderngl.Buffer) -> None:
        """Let a buffer be used again."""
        self._free.append(buffer)

    def release(self) -> None:
        """Free everything but buffers that are still being read."""
        framebuffers = [self.visible_pass, self.shade_pass, self.pack_pass]
        textures = [self.visible, self._depth, self.color, self._mask, self._z, self._packed]
        held: list[Any] = [*framebuffers, *textures, *self._free]
        self._free = []
        for item in held:
            item.release()


class Reading:
    """A frame on its way back."""

    def __init__(self, target: Target, buffer: moderngl.Buffer) -> None:
        self._target, self._buffer = target, buffer

    def finish(self) -> RasterFrame:
        """The frame; waits for the device, which has made it as arrays hold it."""
        (width, height), dtype = self._target.key
        color = np.empty((height, width, 3), dtype)
        mask, z = np.empty((height, width), np.uint8), np.empty((height, width), np.float32)
        self._buffer.read_into(z, size=z.nbytes)
        self._buffer.read_into(color, size=color.nbytes, offset=self._target.color_offset)
        self._buffer.read_into(mask, size=mask.nbytes, offset=self._target.mask_offset)
        self._target.give_back(self._buffer)
        if dtype == np.uint32:
            positions = np.ascontiguousarray(color[..., :2]).view(np.float32)
            return RasterFrame(np.empty((0, 0, 3), np.uint8), mask, z, plate=positions)
        return RasterFrame(color, mask, z)
