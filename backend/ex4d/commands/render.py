# SPDX-License-Identifier: Apache-2.0
"""Render a reconstructed shot from a camera: colour, mask, camera files, coverage; nothing is filled."""

from __future__ import annotations

import argparse
from pathlib import Path

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.exports import camera_slug, check_names, check_outputs, export_render
from ex4d.commands.options import add_camera_options, camera_requests
from ex4d.jobs.plans import EXPORT, RENDER
from ex4d.pipeline import CameraRequest, Pipeline, take_camera
from ex4d.shot.folder import Shot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("shot", type=Path, help="the shot's folder, made by `ex4d recon` or `ex4d run`")
    add_camera_options(parser, required=True)
    parser.add_argument("--out", type=Path, help="folder for the files (default: SHOT/renders)")
    parser.epilog = f"camera moves:\n{preset_help()}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    cameras = camera_requests(args)
    check_names(cameras)
    out = args.out or args.shot / "renders"
    check_outputs(out, cameras)
    console.expect(len(cameras) * (*RENDER, *EXPORT))
    shot = Shot(args.shot)
    shot.heal(lambda: _render(args, shot, cameras, out, console), console)


def _render(args: argparse.Namespace, shot: Shot, cameras: list[CameraRequest], out: Path, console: Console) -> None:
    reconstruction = shot.reconstruction(console)
    for camera in cameras:
        take_camera(camera, reconstruction)
    pipeline = Pipeline(shot, reconstruction, args.raster, console)
    renders, lines = [], []
    for camera in cameras:
        rendered = pipeline.render(camera)
        slug = camera_slug(camera.camera)
        paths = export_render(rendered, reconstruction, out, slug, console)
        coverage = dict(zip(rendered.raster.numbers, rendered.raster.coverage, strict=True))
        low = min(coverage, key=lambda number: coverage[number])
        renders.append({"camera": camera.camera, "files": paths, "coverage": coverage})
        lines.append(f"{paths['color']}  {camera.camera}: {coverage[low]:.0%} seen at least, in frame {low}")
    console.result({"renders": renders}, "\n".join(lines))
