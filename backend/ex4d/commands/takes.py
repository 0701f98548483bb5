# SPDX-License-Identifier: Apache-2.0
"""Delivering takes: what `run` and `generate` share."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ex4d.commands.console import Console
from ex4d.composite.take import TAKE_FILE
from ex4d.fill import Generator
from ex4d.pipeline import CameraRequest, Pipeline, take_camera
from ex4d.raster.sight import check_sight
from ex4d.shot.folder import Reconstruction, Shot


def deliver_takes(
    shot: Shot,
    reconstruction: Reconstruction,
    cameras: Sequence[CameraRequest],
    rasterizer: str,
    generator: Generator,
    console: Console,
) -> None:
    """Deliver one take per camera and report them."""
    for camera in cameras:
        # All cameras are checked before the first one is rendered.
        take_camera(camera, reconstruction)
    generator.prepare(len(reconstruction.frames))
    pipeline = Pipeline(shot, reconstruction, rasterizer, console)
    takes, lines = [], []
    for camera in cameras:
        rendered = pipeline.render(camera)
        if camera.file():
            check_sight(camera.camera, rendered.raster.coverage)
        folder = pipeline.deliver(rendered, generator)
        record = json.loads((folder / TAKE_FILE).read_text(encoding="utf-8"))
        takes.append(
            {
                "camera": camera.camera,
                "folder": str(folder),
                "movie": str(folder / "result.mp4"),
                "generated_mean": record["generated_mean"],
                "generated_max": record["generated_max"],
            }
        )
        lines.append(
            f"{folder / 'result.mp4'}  {camera.camera}: {record['generated_mean']:.0%} of the pixels are filled "
            f"(at most {record['generated_max']:.0%} of a frame); {record['fill']['label']}"
        )
    console.result({"takes": takes}, "\n".join(lines))
