# SPDX-License-Identifier: Apache-2.0
"""Importing a model's code needs no video library, and nothing of the stages that a model is no part of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from test_import_borders import ABOVE, DRAWING, SCRIPT, VIDEO, stages_but

BORDERS = {
    "the model store": (
        "ex4d.models",
        ["cv2", *VIDEO, *DRAWING, *ABOVE, *stages_but(), "ex4d.stages", "ex4d.media", "ex4d.camera"],
    ),
    "EX-4D": ("ex4d.fill.ex4d_wan", [*VIDEO, *DRAWING, *ABOVE, *stages_but("fill"), "ex4d.stages", "ex4d.media"]),
    "the pipeline's public name": ("ex4d.diffusion", ["cv2", *VIDEO, *DRAWING, *ABOVE, *stages_but("fill")]),
    "mesh rules on a GPU": (
        "ex4d.mesh.torch",
        [*DRAWING, *ABOVE, *stages_but("mesh", "depth", "plate"), "ex4d.models"],
    ),
    "learned depth": ("ex4d.depth.learned", [*DRAWING, *ABOVE, *stages_but("depth", "plate"), "ex4d.models.wan"]),
}


@pytest.mark.parametrize("name", BORDERS)
def test_a_models_code_needs_nothing_beyond_its_border(name: str) -> None:
    package, blocked = BORDERS[name]
    # transformers looks for OpenCV by itself, and does without.
    wanted = [f"{package}.*"]
    if name == "the pipeline's public name":
        wanted = ["ex4d.diffusion", "ex4d.fill.ex4d_wan.load"]
    script = SCRIPT.format(blocked=blocked, wanted=wanted)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
