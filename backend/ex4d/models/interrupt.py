# SPDX-License-Identifier: Apache-2.0
"""Stopping a network between its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def interruptible(module: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Within the context ``check`` is asked before each block of the network, each member of its module lists; what it
    raises ends the forward. A GPU goes on with what was given to it before, less than a forward."""
    hooks = [
        # Before others: what they would fetch for the block is not needed.
        block.register_forward_pre_hook(lambda *_: check(), prepend=True)
        for part in module.modules()
        if isinstance(part, nn.ModuleList)
        for block in part
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
