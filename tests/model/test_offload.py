# SPDX-License-Identifier: Apache-2.0
"""Weights that wait in main memory. Page-locked memory needs a GPU; how it is shared does not."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from ex4d.models import offload


def test_tensors_share_slabs_and_keep_their_values() -> None:
    slabs = offload.PinnedPool(4096, lock=False)
    generator = torch.Generator().manual_seed(1)
    given = [torch.randn(shape, generator=generator) for shape in ((20, 20), (3, 5, 7), (), (0, 4), (600,), (17,))]
    given += [torch.randn(30, 40, generator=generator).bfloat16().t(), torch.arange(255, dtype=torch.uint8)]
    kept = [slabs.copy(tensor) for tensor in given]
    for tensor, copy in zip(given, kept, strict=True):
        assert copy.dtype == tensor.dtype
        assert torch.equal(copy, tensor)
        assert copy.is_contiguous()
        assert copy.numel() == 0 or copy.data_ptr() % tensor.dtype.itemsize == 0
    # 1600, 420, 4, 68 and 255 bytes share the first slab; two of 2400 do not fit into one.
    assert slabs.count == 3
    # Nothing overlaps: all were written before the first was compared.
    spans = sorted((copy.data_ptr(), copy.data_ptr() + copy.nbytes) for copy in kept if copy.numel())
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_a_tensor_larger_than_a_slab_has_its_own() -> None:
    slabs = offload.PinnedPool(1024, lock=False)
    small, large = torch.rand(16), torch.rand(1000)
    kept = slabs.copy(small), slabs.copy(large), slabs.copy(small)
    assert all(torch.equal(a, b) for a, b in zip(kept, (small, large, small), strict=True))
    assert kept[1].untyped_storage().nbytes() == large.nbytes
    assert kept[0].untyped_storage().data_ptr() == kept[2].untyped_storage().data_ptr()
    assert slabs.count == 2


def test_little_is_lost_on_the_released_weights() -> None:
    """Sizes of a released block's layers in bfloat16: projections joined, then the two of the feed-forward network."""
    sizes = [n * 5120 * 2 for n in (3 * 5120, 5120, 5120, 2 * 5120, 2 * 5120, 5120, 13824, 13824)] * 40
    slabs = _Counting(lock=False)
    for size in sizes:
        slabs.take(size)
    assert sum(sizes) / (slabs.count * offload.SLAB_BYTES) > 0.95


class _Counting(offload.PinnedPool):
    """Makes no memory."""

    def take(self, size: int) -> None:
        self._take(size)

    def _new(self, size: int) -> torch.Tensor:
        self.count += 1
        return torch.empty(0, dtype=torch.uint8)


@pytest.mark.parametrize("blocks", [1, 3])
def test_streamed_blocks_compute_the_same(blocks: int) -> None:
    model = nn.Sequential(*[nn.Linear(8, 8) for _ in range(blocks)])
    values = torch.randn(2, 8)
    expected = model(values)
    streamed = offload.StreamedBlocks(list(model), torch.device("cpu"))
    assert torch.equal(model(values), expected)
    assert torch.equal(model(values), expected)
    streamed.close()
    assert torch.equal(model(values), expected)
