# SPDX-License-Identifier: Apache-2.0
"""What the ranks of one generation say to each other. Every call is made by all of them, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from ex4d.models.parallel.layout import RankLayout

#: Ranks may load the model at different speeds, so they wait so long for each other.
_PATIENCE = timedelta(minutes=20)


def meet(rank: int, size: int, device: torch.device, meeting: Path) -> None:
    """Become a rank; returns when all others have come.

    Args:
        rank: of this process.
        size: number of ranks.
        device: where this one computes: CUDA ones talk through NCCL, others through gloo.
        meeting: a file that all can write, where they find each other; it does not exist before.
    """
    cuda = device.type == "cuda"
    dist.init_process_group(
        # What is decided on the CPU is said there: a GPU would have to finish its work first.
        "cpu:gloo,cuda:nccl" if cuda else "gloo",
        store=dist.FileStore(str(meeting), size),
        rank=rank,
        world_size=size,
        timeout=_PATIENCE,
        device_id=device if cuda else None,
    )


def part(*, abort: bool = False) -> None:
    """Be a rank no longer.

    Args:
        abort: also where a call of this process waits for a rank that is gone: it ends, with an error or nonsense.
    """
    with suppress(Exception):
        if abort:
            dist.distributed_c10d._abort_process_group()
        else:
            dist.destroy_process_group()


class RankGroup:
    """This process among the ranks of a layout, which have met.

    Args:
        rank: of this process.
        layout: of all of them.
        device: where this one computes.
    """

    def __init__(self, rank: int, layout: RankLayout, device: torch.device) -> None:
        self.rank, self.layout, self.device = rank, layout, device
        self.branch, self.position = layout.branch(rank), layout.position(rank)
        #: What rank 0 stopped the work with, in ``agree``.
        self.stopped: BaseException | None = None
        branches, tokens = range(layout.branches), range(layout.sequence)
        self._sequence = self._own([[layout.sequence * branch + one for one in tokens] for branch in branches])
        self._branches = self._own([[layout.sequence * branch + one for branch in branches] for one in tokens])

    def _own(self, groups: Sequence[Sequence[int]]) -> Any:
        """All ranks make all groups; each keeps the one that it is in."""
        made = [(ranks, dist.new_group(list(ranks), timeout=_PATIENCE)) for ranks in groups]
        return next(group for ranks, group in made if self.rank in ranks)

    # What rank 0 knows -------------------------------------------------------------------------------------------

    def agree(self, check: Callable[[], None]) -> None:
        """Rank 0 asks ``check`` whether to go on; where it raises, all ranks stop here, and may work on afterwards.

        Raises:
            StoppedError: in the others; rank 0 raises what ``check`` does.
        """
        self.stopped = None
        if self.rank == 0:
            try:
                check()
            except BaseException as error:  # noqa: BLE001  raised below, when the others know
                self.stopped = error
        word = torch.tensor([self.stopped is not None], dtype=torch.uint8)
        dist.broadcast(word, 0)
        if self.stopped is not None:
            raise self.stopped
        if bool(word):
            raise StoppedError

    def share(self, tensors: Sequence[torch.Tensor] | None) -> list[torch.Tensor]:
        """Tensors of rank 0 on every rank's own device; the others give None."""
        shapes: list[Any] = [tensors and [(tensor.shape, tensor.dtype) for tensor in tensors]]
        dist.broadcast_object_list(shapes, 0)
        found = []
        for index, (shape, dtype) in enumerate(shapes[0]):
            if tensors is not None:
                tensor = tensors[index].to(self.device).contiguous()
            else:
                tensor = torch.empty(shape, dtype=dtype, device=self.device)
            dist.broadcast(tensor, 0)
            found.append(tensor)
        return found

    # Work shared by ranks ----------------------------------------------------------------------------------------

    def spread(self, works: Sequence[Callable[[], torch.Tensor]]) -> list[torch.Tensor]:
        """The results of independent works, each done by one rank and given to all.

        Args:
            works: each gives a float32 tensor on this rank's device.
        """
        # From the last rank to the first: rank 0 has the most to do beside.
        owners = [self.layout.size - 1 - index % self.layout.size for index in range(len(works))]
        found = [work().contiguous() if owner == self.rank else None for work, owner in zip(works, owners, strict=True)]
        shapes: list[Any] = [None] * self.layout.size
        dist.all_gather_object(shapes, [None if tensor is None else tensor.shape for tensor in found])
        tensors = []
        for index, owner in enumerate(owners):
            tensor = found[index]
            if tensor is None:
                tensor = torch.empty(shapes[owner][index], device=self.device)
            dist.broadcast(tensor, owner)
            tensors.append(tensor)
        return tensors

    def gather_branches(self, own: torch.Tensor) -> list[torch.Tensor]:
        """The tensors of all branches, of which each rank has its own."""
        found = [torch.empty_like(own) for _ in range(self.layout.branches)]
        dist.all_gather(found, own.contiguous(), self._branches)
        return found

    def gather_tokens(self, part: torch.Tensor) -> torch.Tensor:
        """(B, s, C) of each rank of a branch → (B, S, C)."""
        parts = [torch.empty_like(part) for _ in range(self.layout.sequence)]
        dist.all_gather(parts, part.contiguous(), self._sequence)
        return torch.cat(parts, dim=1)

    def tokens_to_heads(self, x: torch.Tensor) -> torch.Tensor:
        """All heads of this rank's tokens (B, s, H, D) → all tokens of its heads (B, S, H/P, D)."""
        ranks, (batch, tokens, heads, size) = self.layout.sequence, x.shape
        sent = x.unflatten(2, (ranks, heads // ranks)).permute(2, 0, 1, 3, 4).contiguous()
        came = torch.empty_like(sent)
        dist.all_to_all_single(came, sent, group=self._sequence)
        return came.transpose(0, 1).reshape(batch, ranks * tokens, heads // ranks, size)

    def heads_to_tokens(self, x: torch.Tensor) -> torch.Tensor:
        """All tokens of this rank's heads (B, S, H/P, D) → all heads of its tokens (B, S/P, H, D)."""
        ranks, (batch, tokens, heads, size) = self.layout.sequence, x.shape
        sent = x.unflatten(1, (ranks, tokens // ranks)).transpose(0, 1).contiguous()
        came = torch.empty_like(sent)
        dist.all_to_all_single(came, sent, group=self._sequence)
        return came.permute(1, 2, 0, 3, 4).reshape(batch, tokens // ranks, ranks * heads, size)


class StoppedError(Exception):
    """Rank 0 has stopped the work."""
