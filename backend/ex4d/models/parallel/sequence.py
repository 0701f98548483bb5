# SPDX-License-Identifier: Apache-2.0
"""A transformer whose tokens are shared by several ranks, after Ulysses (Jacobs et al., arXiv 2309.14509): each has a
part of the tokens, and in self-attention all tokens of a part of the heads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

from ex4d.models.parallel.group import RankGroup
from ex4d.models.wan.attention import Attend, attend


class SharedTokens:
    """The tokens of one forward among the ranks of a branch.

    Args:
        group: the ranks.
        attend: as ``attention.attend``, of all tokens and a part of the heads.
    """

    def __init__(self, group: RankGroup, attend: Attend = attend) -> None:
        self._group, self._attend = group, attend
        self._count = 0

    @property
    def _part(self) -> int:
        """Tokens that a rank has; the last ones may be padding."""
        return -(-self._count // self._group.layout.sequence)

    def take(self, x: torch.Tensor) -> torch.Tensor:
        """This rank's part of all tokens, (B, S, …) → (B, s, …); behind the last token come zeros."""
        self._count = x.shape[1]
        begin = self._group.position * self._part
        part = x[:, begin : begin + self._part]
        if missing := self._part - part.shape[1]:
            part = functional.pad(part, (*(0, 0) * (x.ndim - 2), 0, missing))
        return part.contiguous()

    def whole(self, part: torch.Tensor) -> torch.Tensor:
        """All tokens again, without padding."""
        return self._group.gather_tokens(part)[:, : self._count]

    def attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Self-attention among all tokens, as ``attention.attend``: (B, s, heads, D) → (B, s, heads·D)."""
        group = self._group
        query, key, value = (group.tokens_to_heads(x)[:, : self._count] for x in (query, key, value))
        out = self._attend(query, key, value).unflatten(2, (query.shape[2], -1))
        if missing := group.layout.sequence * self._part - self._count:
            out = functional.pad(out, (0, 0, 0, 0, 0, missing))
        return group.heads_to_tokens(out).flatten(2)


@contextmanager
def tokens_shared(transformer: Any) -> Iterator[None]:
    """Within the context the transformer's blocks have this rank's tokens alone.

    Args:
        transformer: diffusers' Wan transformer. Where it has ``shared_tokens``, its blocks attend through them
            (``use_fast_blocks``); where it has none, nothing is shared.
    """
    shared: SharedTokens | None = getattr(transformer, "shared_tokens", None)
    if shared is None:
        yield
        return
    rotary: list[torch.Tensor] = []

    def before(index: int, given: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden, embeds, temb, tables = given
        if index == 0:
            # One pair of tables (1, S, 1, D) for all blocks of a forward.
            rotary[:] = [shared.take(table) for table in tables]
            hidden = shared.take(hidden)
        return hidden, embeds, temb, tuple(rotary)

    hooks = [
        block.register_forward_pre_hook(lambda _block, given, index=index: before(index, given))
        for index, block in enumerate(transformer.blocks)
    ]
    # Behind the last projection a token has a hundredth of its width.
    hooks.append(transformer.proj_out.register_forward_hook(lambda _layer, _given, out: shared.whole(out)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
