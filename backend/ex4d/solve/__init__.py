# SPDX-License-Identifier: Apache-2.0
"""The stage between plate and depth: the source camera's motion and lens, from the plate alone.

Frames become tracks (``tracker``), tracks a camera that turns or moves (``turning``, ``moving``), gates say what of it
is believed (``kind``), and all that is known goes out as a ``Solve`` (``result``).
"""

from __future__ import annotations

from ex4d.solve.options import SolveOptions, SourceCamera
from ex4d.solve.result import Solve, SolvedPoints, read_solve, write_solve
from ex4d.solve.solve import solve_camera

__all__ = ["Solve", "SolveOptions", "SolvedPoints", "SourceCamera", "read_solve", "solve_camera", "write_solve"]
