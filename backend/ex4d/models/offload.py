# SPDX-License-Identifier: Apache-2.0
"""Weights that wait in main memory and come to the GPU when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

#: Page-locked memory is taken in pieces of this size. torch rounds each piece up to a power of two, so that a weight of
#: 142 MB alone would take 268 (https://github.com/pytorch/pytorch/issues/150517).
SLAB_BYTES = 1 << 30
#: Copies to a GPU want their source on such a boundary.
_ALIGNMENT = 256


class PinnedPool:
    """Page-locked memory that many tensors share.

    Args:
        size: of a slab, bytes; a power of two.
        lock: whether to lock it, which needs CUDA.
    """

    def __init__(self, size: int = SLAB_BYTES, *, lock: bool = True) -> None:
        self._size, self._lock = size, lock
        #: PinnedPool with room left, and where it begins.
        self._open: list[tuple[torch.Tensor, int]] = []
        #: How many slabs were made.
        self.count = 0

    def copy(self, data: torch.Tensor) -> torch.Tensor:
        """A copy of ``data``, contiguous; larger ones than a slab have memory of their own."""
        size = data.nbytes
        raw = self._take(size) if size <= self._size else self._new(size)
        out = raw[:size].view(data.dtype).view(data.shape)
        return out.copy_(data)

    def _take(self, size: int) -> torch.Tensor:
        """The first room of that size."""
        for index, (slab, begin) in enumerate(self._open):
            if begin + size <= self._size:
                self._open[index] = slab, _aligned(begin + size)
                return slab[begin : begin + size]
        slab = self._new(self._size)
        self._open.append((slab, _aligned(size)))
        return slab

    def _new(self, size: int) -> torch.Tensor:
        self.count += 1
        return torch.empty(size, dtype=torch.uint8, pin_memory=self._lock)


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


class ParkedWeights:
    """A module's weights in main memory, pinned so that copies run beside computation.

    Args:
        module: its parameters and buffers may be on any device; they are parked.
        device: where it computes.
        pool: memory to share with others.
    """

    def __init__(self, module: nn.Module, device: torch.device, pool: PinnedPool | None = None) -> None:
        self._device = device
        self._tensors: list[torch.Tensor] = [*module.parameters(), *module.buffers()]
        self._home: list[torch.Tensor] = []
        pool = pool or PinnedPool()
        for tensor in self._tensors:
            self._home.append(pool.copy(tensor.data) if device.type == "cuda" else tensor.data.cpu())
            # At once: the weights are never in memory twice.
            tensor.data = self._home[-1]

    def onload(self) -> None:
        """Copy the weights to the device, on the current stream."""
        for tensor, home in zip(self._tensors, self._home, strict=True):
            tensor.data = home.to(self._device, non_blocking=True)

    def used_by(self, stream: Any) -> None:
        """Tell the allocator that a stream reads the weights, so that their memory is not given away too early."""
        for tensor in self._tensors:
            tensor.data.record_stream(stream)

    def offload(self) -> None:
        """Free the device's copies."""
        for tensor, home in zip(self._tensors, self._home, strict=True):
            tensor.data = home


class StreamedBlocks:
    """Runs a transformer whose blocks are parked: while one computes, the next is copied.

    Args:
        blocks: in the order in which they run; they are parked.
        device: where they compute.
    """

    def __init__(self, blocks: Sequence[nn.Module], device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if self._cuda else None
        pool = PinnedPool()
        self._parked = [ParkedWeights(block, device, pool) for block in blocks]
        self._arrived: dict[int, Any] = {}
        self._hooks = []
        for index, block in enumerate(blocks):
            self._hooks.append(block.register_forward_pre_hook(lambda *_, index=index: self._before(index)))
            self._hooks.append(block.register_forward_hook(lambda *_, index=index: self._after(index)))

    def _fetch(self, index: int) -> None:
        if index in self._arrived:
            return
        if not self._cuda:
            self._parked[index].onload()
            self._arrived[index] = None
            return
        with torch.cuda.stream(self._stream):
            self._parked[index].onload()
            self._arrived[index] = self._stream.record_event()  # type: ignore[union-attr]

    def _before(self, index: int) -> None:
        self._fetch(index)
        if self._cuda:
            current = torch.cuda.current_stream()
            current.wait_event(self._arrived[index])
            self._parked[index].used_by(current)
        # The first one again after the last: the next forward begins at once.
        self._fetch((index + 1) % len(self._parked))

    def _after(self, index: int) -> None:
        self._parked[index].offload()
        self._arrived.pop(index, None)

    def close(self) -> None:
        """Take the hooks off and free what has been fetched."""
        for hook in self._hooks:
            hook.remove()
        for index in list(self._arrived):
            self._after(index)
