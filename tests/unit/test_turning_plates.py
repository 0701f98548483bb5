# SPDX-License-Identifier: Apache-2.0
"""A plate whose camera pans or tilts, from its files to a take: other frames widen it by rotation alone, whatever depth
says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from solve_scenes import FIRST, room_picture, room_pictures

from ex4d.composite.result_files import sequence_file
from ex4d.evaluation.alignment import alignment
from ex4d.fill import create_generator
from ex4d.fill.base import PixelOrigin
from ex4d.jobs.context import JobContext
from ex4d.jobs.reconstruct import depth_plan, reconstruct
from ex4d.jobs.takes import TakePipeline
from ex4d.media.images import read_grey, read_image
from ex4d.protocol.requests import DepthRequest, MoveCamera, PlateRequest, ReconstructRequest
from ex4d.shot.folder import Shot
from ex4d.system.progress import Silent


@pytest.mark.parametrize(("kind", "least"), [("turns", 0.18), ("tilts", 0.15)])
def test_a_pan_and_a_tilt_are_widened_to_a_fraction_of_a_pixel(tmp_path: Path, kind: str, least: float) -> None:
    pictures, camera = room_pictures(kind, count=9, size=(256, 192))
    (tmp_path / "plate").mkdir()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"plate/p.{FIRST + index}.png"), picture)
    shot = Shot(tmp_path / "shot")
    request = ReconstructRequest(
        str(shot.root),
        PlateRequest(str(tmp_path / "plate")),
        DepthRequest("small"),
        viewport_side=None,
        source_camera="auto",
    )
    made, _ = reconstruct(shot, request, depth_plan(request, shot), JobContext())
    source = made.mesh.source
    assert np.ptp(source.centers(), axis=0).max() == 0
    assert made.depth.moving is not None
    pipeline = TakePipeline(shot, made, "embree", Silent())
    rendered = pipeline.render(pipeline.camera(MoveCamera("zoom_out:1.5..1.5")))
    folder = pipeline.deliver(rendered, create_generator("preview"))
    shifts, differences, seen = [], [], []
    for index in (1, 4, 7):
        number, take = FIRST + index, rendered.raster.trajectory[index]
        # As the true camera would see it, with the lens of the take: how well the lens is solved is tested elsewhere.
        lens = take.K.copy()
        lens[(0, 1), (0, 1)] *= camera.K[index, (0, 1), (0, 1)] / source.K[index, (0, 1), (0, 1)]
        truth = room_picture(lens, camera.E[index], (take.width, take.height))
        result = read_image(sequence_file(folder / "result", number))
        other = read_grey(sequence_file(folder / "confidence", number)) == PixelOrigin.OTHER_FRAME
        found = alignment(result, truth, other)
        assert found.rejected <= 1
        shifts.append(found.shifts)
        differences.append(np.abs(result.astype(float) - truth)[other])
        seen.append(other.mean())
    distance = np.linalg.norm(np.concatenate(shifts), axis=1)
    assert len(distance) >= 12
    assert np.median(distance) < 0.05
    assert np.percentile(distance, 90) < 0.15
    # A picture that lies a pixel beside itself differs by 20 codes here.
    assert np.concatenate(differences).mean() < 6
    assert min(seen) > least
