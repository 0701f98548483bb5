# SPDX-License-Identifier: Apache-2.0
"""Weights that wait in main memory and come to the GPU when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Parked:
    """A module's weights in main memory, pinned so that copies run beside computation.

    Args:
        module: its parameters and buffers may be on any device; they are parked.
        device: where it computes.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self._device = device
        self._tensors: list[torch.Tensor] = [*module.parameters(), *module.buffers()]
        self._home = [self._pinned(tensor.data) for tensor in self._tensors]
        self.leave()

    def _pinned(self, data: torch.Tensor) -> torch.Tensor:
        data = data.cpu()
        return data.pin_memory() if self._device.type == "cuda" else data

    def come(self) -> None:
        """Copy the weights to the device, on the current stream."""
        for tensor, home in zip(self._tensors, self._home, strict=True):
            tensor.data = home.to(self._device, non_blocking=True)

    def used_by(self, stream: Any) -> None:
        """Tell the allocator that a stream reads the weights, so that their memory is not given away too early."""
        for tensor in self._tensors:
            tensor.data.record_stream(stream)

    def leave(self) -> None:
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
        self._parked = [Parked(block, device) for block in blocks]
        self._arrived: dict[int, Any] = {}
        self._hooks = []
        for index, block in enumerate(blocks):
            self._hooks.append(block.register_forward_pre_hook(lambda *_, index=index: self._before(index)))
            self._hooks.append(block.register_forward_hook(lambda *_, index=index: self._after(index)))

    def _fetch(self, index: int) -> None:
        if index in self._arrived:
            return
        if not self._cuda:
            self._parked[index].come()
            self._arrived[index] = None
            return
        with torch.cuda.stream(self._stream):
            self._parked[index].come()
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
        self._parked[index].leave()
        self._arrived.pop(index, None)

    def close(self) -> None:
        """Take the hooks off and free what has been fetched."""
        for hook in self._hooks:
            hook.remove()
        for index in list(self._arrived):
            self._after(index)
