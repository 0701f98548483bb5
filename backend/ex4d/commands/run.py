# SPDX-License-Identifier: Apache-2.0
"""Do all: plate, depth, mesh, raster, fill, composite.

Finished stages are kept in the shot's folder: another camera reuses plate, depth and mesh, and a command that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.options import (
    add_camera_options,
    add_fill_options,
    add_out_option,
    add_output_options,
    add_plate_options,
    cameras,
    fill_request,
    output_request,
    plate_request,
    reconstruct_request,
    take_size,
)
from ex4d.commands.reports import report_run
from ex4d.jobs import run
from ex4d.jobs.context import JobContext
from ex4d.protocol.requests import GenerateRequest, RunRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_plate_options(parser)
    add_out_option(parser)
    add_camera_options(parser, required=True)
    add_fill_options(parser)
    add_output_options(parser)
    parser.epilog = f"camera moves:\n{preset_help()}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    size, chosen = take_size(args), cameras(args)
    plate, fill = reconstruct_request(args, plate_request(args)), fill_request(args)
    output, handles = output_request(args), args.handles
    takes = tuple(
        GenerateRequest(
            plate.shot, camera, size, raster=args.raster, lens=args.take_lens, fill=fill, handles=handles, output=output
        )
        for camera in chosen
    )
    report_run(takes, run.run(RunRequest(plate, takes), JobContext(console)), console)
