# SPDX-License-Identifier: Apache-2.0
"""Reading tensors ahead: threads fill main memory with the next ones while the last one is worked on.

One thread that touches a mapped file waits for the disk page by page, and the GPU waits with it. Here pieces are asked
for in the order in which they lie in the file, several at once, which is what disks of every kind are fastest at; and
they go into memory that the GPU copies from by itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

#: Pieces that are read at once, and bytes of each: enough for a fast disk's queue, and long runs for a slow one.
READERS, PIECE_BYTES = 8, 16 << 20
#: Bytes that may be read or being read before they are taken; one tensor may be larger.
AHEAD_BYTES = 512 << 20
#: Bytes of the largest tensor that is read into page-locked memory. torch rounds each up to a power of two.
_LOCKED_BYTES = 256 << 20


@dataclass(frozen=True)
class TensorSource:
    """A tensor in a file.

    Attributes:
        dtype, shape: of the tensor.
        copy: fills bytes (n,) with the tensor's own from an offset on; called by several threads. Raises BadInputError
            where the file ends before.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    copy: Callable[[int, NDArray[np.uint8]], None]

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def damaged(path: Path, error: object) -> BadInputError:
    """The error of a file that cannot be what its beginning promises."""
    reason = " ".join(str(error).split())[:200]
    return BadInputError(
        f"{path.name} is truncated or damaged ({reason}).", f"Get it again; `ex4d models verify {path.parent}` checks."
    )


def source_in_file(path: Path, begin: int, dtype: torch.dtype, shape: tuple[int, ...]) -> TensorSource:
    """A tensor whose bytes lie in a file from ``begin`` on."""

    def copy(offset: int, target: NDArray[np.uint8]) -> None:
        left = target.data
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(begin + offset)
                while left:
                    if not (count := file.readinto(left)):
                        raise damaged(path, "it ends too early")
                    left = left[count:]
        except OSError as error:
            raise damaged(path, error) from error

    return TensorSource(dtype, shape, copy)


def source_in_memory(tensor: torch.Tensor) -> TensorSource:
    """A tensor that is in memory or is a view of a mapped file. Raises RuntimeError for one without plain values."""
    flat = tensor.detach().contiguous().flatten().view(torch.uint8).numpy()

    def copy(offset: int, target: NDArray[np.uint8]) -> None:
        np.copyto(target, flat[offset : offset + len(target)])

    return TensorSource(tensor.dtype, tuple(tensor.shape), copy)


def _buffer(source: TensorSource, *, lock: bool) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """Memory for a tensor: its bytes, and the tensor that they are."""
    raw = torch.empty(source.size, dtype=torch.uint8, pin_memory=lock and 0 < source.size <= _LOCKED_BYTES)
    return raw.numpy(), raw.view(source.dtype).view(source.shape)


def read_now(source: TensorSource) -> torch.Tensor:
    """One tensor in memory of its own."""
    raw, tensor = _buffer(source, lock=False)
    source.copy(0, raw)
    return tensor


def read_ahead(
    wanted: Iterable[tuple[str, TensorSource]], *, lock: bool = False
) -> Generator[tuple[str, torch.Tensor], None, None]:
    """Tensors by name, in order, each in memory of its own.

    Args:
        wanted: what to read; asked for the next one before the last one is taken.
        lock: whether memory is page-locked, for a GPU to copy from. Needs CUDA.

    Raises:
        BadInputError: a file ends too early.
    """
    items = iter(wanted)
    waiting: deque[tuple[str, torch.Tensor, int, list[Future[None]]]] = deque()
    ahead = 0
    pool = ThreadPoolExecutor(READERS, "weights")
    try:
        while True:
            while ahead < AHEAD_BYTES and (item := next(items, None)) is not None:
                name, source = item
                raw, tensor = _buffer(source, lock=lock)
                pieces = range(0, source.size, PIECE_BYTES)
                parts = [pool.submit(source.copy, start, raw[start : start + PIECE_BYTES]) for start in pieces]
                waiting.append((name, tensor, source.size, parts))
                ahead += source.size
                del raw, tensor
            if not waiting:
                return
            name, tensor, size, parts = waiting.popleft()
            for part in parts:
                part.result()
            ahead -= size
            yield name, tensor
            # Its memory serves the next one.
            del tensor, parts
    finally:
        pool.shutdown(cancel_futures=True)
