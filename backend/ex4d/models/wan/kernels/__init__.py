# SPDX-License-Identifier: Apache-2.0
"""The transformer's elementwise work, each tensor read and written once.

``ops`` holds the operations: torch expressions, which run anywhere, and the same as Triton kernels for CUDA. ``rows``,
``heads`` and ``video`` hold the kernels; they need the package triton, which torch brings along where it can use it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch


@cache
def has_triton() -> bool:
    """Whether kernels can be compiled: triton is installed, and this torch has CUDA."""
    return torch.version.cuda is not None and find_spec("triton") is not None
