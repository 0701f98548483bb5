# SPDX-License-Identifier: Apache-2.0
"""Make the mesh of a reconstructed shot that viewports show: few vertices, all frames in one PC2 file, colours beside.

The folder is described in docs/protocol.md; Blender's Reconstruct makes the same one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ex4d.commands.console import Console
from ex4d.jobs import viewport
from ex4d.jobs.context import JobContext
from ex4d.protocol.requests import ViewportRequest
from ex4d.protocol.values import MAX_VIEWPORT_SIDE, MIN_VIEWPORT_SIDE, VIEWPORT_SIDE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("shot", type=Path, help="the shot's folder, made by `ex4d recon` or `ex4d run`")
    parser.add_argument(
        "--side",
        type=int,
        default=VIEWPORT_SIDE,
        help=f"vertices along the longer side at most, {MIN_VIEWPORT_SIDE} to {MAX_VIEWPORT_SIDE} "
        "(default %(default)s)",
    )


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    result = viewport.run(ViewportRequest(str(args.shot), args.side), JobContext(console))
    console.result({"viewport": result.viewport}, result.viewport)
