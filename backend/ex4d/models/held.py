# SPDX-License-Identifier: Apache-2.0
"""What this process keeps on GPUs between jobs: a model, and the other ranks that share it. Imports no torch: a process
that has not loaded any model has nothing to let go of."""

from __future__ import annotations

import sys
from collections.abc import Hashable


def held_model() -> tuple[Hashable | None, int]:
    """The key of the model that is kept, None where none is, and how often one was asked for so far."""
    if "ex4d.models.runtime" not in sys.modules:
        return None, 0
    from ex4d.models.runtime import model_runtime

    runtime = model_runtime()
    return runtime.held, runtime.uses


def let_go() -> None:
    """End the other ranks and free the model's memory; the next job that needs them makes them anew."""
    if "ex4d.models.parallel.team" in sys.modules:
        from ex4d.models.parallel.team import close_teams

        close_teams()
    if "ex4d.models.runtime" in sys.modules:
        from ex4d.models.runtime import model_runtime

        model_runtime().unload()
