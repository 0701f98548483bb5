# SPDX-License-Identifier: Apache-2.0
"""The picture that the demo leaves, of a take by a move and of one by a trajectory file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import make_depth, make_plate

from ex4d import api
from ex4d.camera import build_take, parse_preset, read_trajectory, write_json
from ex4d.media.images import read_image

SCRIPT = Path(__file__).parents[2] / "scripts" / "picture_strip.py"


@pytest.mark.parametrize("kind", ["move", "file"])
def test_the_picture_of_a_take(tmp_path: Path, kind: str) -> None:
    plate = make_plate(tmp_path / "plate.mp4", 3)
    made = api.reconstruct(plate, tmp_path / "shot", depth=api.DepthRequest(str(make_depth(tmp_path / "depth.npz", 3))))
    camera = "orbit:20"
    if kind == "file":
        source = read_trajectory(Path(made.source))
        camera = str(tmp_path / "camera.json")
        write_json(Path(camera), build_take(parse_preset("orbit:20"), source, [0.0, 0.0, made.pivot]))
    out = tmp_path / "strip.png"
    done = subprocess.run(
        [sys.executable, SCRIPT, made.shot, camera, out, "--columns", "3", "--width", "200"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    picture = read_image(out)
    # Three frames beside each other, in four rows, with gaps of 4 pixels.
    assert picture.shape[1] == 3 * ((200 - 8) // 3) + 8
    assert (picture[:, 64:68] == 255).all()
    assert picture[:60, :64].std() > 5
