# SPDX-License-Identifier: Apache-2.0
"""What tests in several processes make once for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ex4d.protocol.runtime import try_lock


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time, by a file that is made where it is absent; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        while not try_lock(file.fileno()):
            time.sleep(0.1)
        yield
