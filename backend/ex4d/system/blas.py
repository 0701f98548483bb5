# SPDX-License-Identifier: Apache-2.0
"""How many threads multiply matrices.

OpenBLAS, which comes with numpy, gives each product above a small size to a thread a core, and those wait for the next
one by spinning. Many small products in a row are made no faster by that, and where the cores have other work they take
three times the processor time (measured: docs/benchmarks.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

#: Names that OpenBLAS's functions have in numpy's wheels and elsewhere.
_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_",
          "openblas_{}_num_threads")  # fmt: skip


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let one thread multiply matrices in this process meanwhile; another library than OpenBLAS stays as it is."""
    functions = _functions()
    if functions is None:
        yield
        return
    get, put = functions
    before = int(get())
    put(1)
    try:
        yield
    finally:
        put(before)


def blas_threads() -> int | None:
    """How many threads OpenBLAS uses now; None where it is another library."""
    functions = _functions()
    return None if functions is None else int(functions[0]())


@cache
def _functions() -> tuple[Any, Any] | None:
    """OpenBLAS's getter and setter; None = not found."""
    package = Path(np.__file__).parent
    # The module that is linked with it finds it where the system looks through what a library is linked with.
    for place in (*package.glob("_core/_multiarray_umath.*"), *package.parent.glob("numpy.libs/*openblas*")):
        try:
            library = ctypes.CDLL(str(place))
        except OSError:
            continue
        for name in _NAMES:
            get, put = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
            if get is not None and put is not None:
                return get, put
    return None
