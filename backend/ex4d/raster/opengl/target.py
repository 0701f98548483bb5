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

#: Pixels that the compute shader takes together; it knows the number.
COMPUTE_GROUP = 64


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
    """Framebuffers for frames of one kind, for the passes.

    Args:
        context: where.
        kind: of the frames.
        compute: whether a compute shader does what follows the first pass.
    """

    def __init__(self, context: moderngl.Context, kind: TargetKind, *, compute: bool) -> None:
        self.kind = kind
        self._context = context
        size, dtype = kind.size, kind.texture.bits
        width, height = size
        code_value = f"u{dtype.itemsize}"
        self.visible = context.texture(size, 1, dtype="u4")
        self._depth = context.depth_renderbuffer(size)
        self.visible_pass = context.framebuffer([self.visible], self._depth)
        self._drawn: list[moderngl.Texture] = []
        self._packed: moderngl.Texture | None = None
        self.shade_pass: moderngl.Framebuffer | None = None
        self.pack_pass: moderngl.Framebuffer | None = None
        packed_height = height if kind.texture.channels == 4 else -(-3 * height // 4)
        if not compute:
            kinds = [(4, code_value), (1, "u1"), (1, "u4"), *([(2, "u4")] if kind.positions else [])]
            self._drawn = [context.texture(size, count, dtype=values, alignment=1) for count, values in kinds]
            self.shade_pass = context.framebuffer(self._drawn)
            if kind.texture.channels == 3:
                # Three values a pixel, four a texel.
                self._packed = context.texture((width, packed_height), 4, dtype=code_value, alignment=1)
                self.pack_pass = context.framebuffer([self._packed])
        # In a buffer each of them starts at a multiple of its values' size, and has room for whole groups of pixels.
        pixels = COMPUTE_GROUP * self.groups
        self.positions_offset = 4 * pixels
        self.color_offset = self.positions_offset + (8 * pixels if kind.positions else 0)
        values = max(4 * width * packed_height, kind.texture.channels * pixels)
        self.mask_offset = self.color_offset + dtype.itemsize * values
        self._size = self.mask_offset + pixels
        self._free: list[moderngl.Buffer] = []

    @property
    def groups(self) -> int:
        """Of pixels, as the compute shader takes them."""
        width, height = self.kind.size
        return -(-width * height // COMPUTE_GROUP)

    @property
    def color(self) -> moderngl.Texture:
        """What the second pass draws into, where it draws."""
        return self._drawn[0]

    def take_buffer(self) -> moderngl.Buffer:
        """A buffer for a frame."""
        return self._free.pop() if self._free else self._context.buffer(reserve=self._size, dynamic=True)

    def start_reading(self) -> Reading:
        """Let the device copy the pictures to a buffer, in turn with what else it has to do."""
        buffer = self.take_buffer()
        color, mask, z, *positions = self._drawn
        z.read_into(buffer, alignment=1)
        for picture in positions:
            picture.read_into(buffer, alignment=1, write_offset=self.positions_offset)
        (self._packed or color).read_into(buffer, alignment=1, write_offset=self.color_offset)
        mask.read_into(buffer, alignment=1, write_offset=self.mask_offset)
        return Reading(self, buffer)

    def give_back(self, buffer: moderngl.Buffer) -> None:
        """Let a buffer be used again."""
        self._free.append(buffer)

    def release(self) -> None:
        """Free everything but buffers that are still being read."""
        framebuffers = [self.visible_pass, self.shade_pass, self.pack_pass]
        textures = [self.visible, self._depth, *self._drawn, self._packed]
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
