# SPDX-License-Identifier: Apache-2.0
"""What is drawn into, and how it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np

from ex4d.raster.base import RasterFrame
from ex4d.raster.opengl.mesh import TextureKind
from ex4d.raster.sampling import split_alpha


@dataclass(frozen=True)
class TargetKind:
    """What a frame is like.

    Attributes:
        size: (width, height) in pixels.
        texture: the values of its pixels.
        positions: whether plate positions are wanted.
    """

    size: tuple[int, int]
    texture: TextureKind
    positions: bool


class Target:
    """Framebuffers for frames of one kind, for the three passes."""

    def __init__(self, context: moderngl.Context, kind: TargetKind) -> None:
        self.kind = kind
        self._context = context
        size, dtype = kind.size, kind.texture.bits
        width, height = size
        code_value = f"u{dtype.itemsize}"
        self.visible = context.texture(size, 1, dtype="u4")
        self._depth = context.depth_renderbuffer(size)
        self.visible_pass = context.framebuffer([self.visible], self._depth)
        self.color = context.texture(size, 4, dtype=code_value, alignment=1)
        self._mask = context.texture(size, 1, dtype="u1", alignment=1)
        self._z = context.texture(size, 1, dtype="u4", alignment=1)
        self._positions = context.texture(size, 2, dtype="u4", alignment=1) if kind.positions else None
        drawn = [self.color, self._mask, self._z]
        self.shade_pass = context.framebuffer(drawn if self._positions is None else [*drawn, self._positions])
        self._packed: moderngl.Texture | None = None
        self.pack_pass: moderngl.Framebuffer | None = None
        packed_height = height
        if kind.texture.channels == 3:
            # Three values a pixel, four a texel.
            packed_height = -(-3 * height // 4)
            self._packed = context.texture((width, packed_height), 4, dtype=code_value, alignment=1)
            self.pack_pass = context.framebuffer([self._packed])
        # In a buffer each of them starts at a multiple of its values' size.
        self.positions_offset = 4 * width * height
        self.color_offset = self.positions_offset + (8 * width * height if kind.positions else 0)
        self.mask_offset = self.color_offset + 4 * dtype.itemsize * width * packed_height
        self._free: list[moderngl.Buffer] = []

    def start_reading(self) -> Reading:
        """Let the device copy the pictures to a buffer, in turn with what else it has to do."""
        width, height = self.kind.size
        size = self.mask_offset + width * height
        buffer = self._free.pop() if self._free else self._context.buffer(reserve=size, dynamic=True)
        self._z.read_into(buffer, alignment=1)
        if self._positions is not None:
            self._positions.read_into(buffer, alignment=1, write_offset=self.positions_offset)
        (self._packed or self.color).read_into(buffer, alignment=1, write_offset=self.color_offset)
        self._mask.read_into(buffer, alignment=1, write_offset=self.mask_offset)
        return Reading(self, buffer)

    def give_back(self, buffer: moderngl.Buffer) -> None:
        """Let a buffer be used again."""
        self._free.append(buffer)

    def release(self) -> None:
        """Free everything but buffers that are still being read."""
        framebuffers = [self.visible_pass, self.shade_pass, self.pack_pass]
        textures = [self.visible, self._depth, self.color, self._mask, self._z, self._positions, self._packed]
        held: list[Any] = [*framebuffers, *textures, *self._free]
        self._free = []
        for item in held:
            if item is not None:
                item.release()


class Reading:
    """A frame on its way back."""

    def __init__(self, target: Target, buffer: moderngl.Buffer) -> None:
        self._target, self._buffer = target, buffer

    def finish(self) -> RasterFrame:
        """The frame; waits for the device, which has made it as arrays hold it."""
        target = self._target
        (width, height), texture = target.kind.size, target.kind.texture
        picture = np.empty((height, width, texture.channels), texture.dtype)
        mask, z = np.empty((height, width), np.uint8), np.empty((height, width), np.float32)
        self._buffer.read_into(z, size=z.nbytes)
        self._buffer.read_into(picture, size=picture.nbytes, offset=target.color_offset)
        self._buffer.read_into(mask, size=mask.nbytes, offset=target.mask_offset)
        plate = None
        if target.kind.positions:
            plate = np.empty((height, width, 2), np.float32)
            self._buffer.read_into(plate, size=plate.nbytes, offset=target.positions_offset)
        target.give_back(self._buffer)
        color, alpha = split_alpha(picture)
        return RasterFrame(color, mask, z, alpha, plate)
