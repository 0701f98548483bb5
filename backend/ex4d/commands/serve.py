# SPDX-License-Identifier: Apache-2.0
"""Serve jobs to Blender and other clients on this machine, until stopped.

Address and keys go to backend.json in the runtime folder, which only this user can read; logs lie beside it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
from pathlib import Path

from ex4d.commands.console import Console
from ex4d.protocol.errors import UsageError
from ex4d.protocol.identity import identity_of
from ex4d.protocol.runtime import LOG_FILE, default_runtime_dir
from ex4d.server.endpoints import allow_many_connections
from ex4d.server.front import FrontSettings, serve
from ex4d.server.lifetime import end_children_with_us
from ex4d.server.lock import RuntimeLock
from ex4d.server.logs import start_log
from ex4d.server.places import WorkerPlace, cpu_places, gpu_places

log = logging.getLogger(__name__)

IDLE_MINUTES = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--runtime-dir", type=Path, help="folder for address, jobs and logs (default: the user's own)")
    parser.add_argument("--parent", type=int, help="process id; the backend ends when that process is gone")
    parser.add_argument(
        "--idle",
        type=float,
        default=IDLE_MINUTES,
        metavar="MINUTES",
        help="end after so long without a job (default %(default)g)",
    )
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        "--gpus",
        metavar="all, N or NUMBERS",
        help="a worker for each of these GPUs, which do jobs side by side: all, how many (2), or which (0,2); "
        "default: one worker, on the first GPU or the processor",
    )
    several.add_argument(
        "--workers", type=int, metavar="N", help="so many workers that share this machine, without a GPU of their own"
    )
    parser.add_argument("--keep", action="store_true", help="neither --parent nor --idle ends it")


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    if not 0 < args.idle < 1e6:
        raise UsageError(f"An idle time of {args.idle:g} minutes is not possible.", "Give a number above zero.")
    if args.parent is not None and identity_of(args.parent) is None:
        raise UsageError(f"There is no process {args.parent}.", "Give the id of a running process with --parent.")
    one = 1 if args.workers is None else args.workers
    places = gpu_places(args.gpus) if args.gpus is not None else cpu_places(one)
    runtime = (args.runtime_dir or default_runtime_dir()).absolute()
    # What the backend writes is the user's alone; shots are written by its workers, as the user wants them.
    umask = os.umask(0o077)
    try:
        _serve(runtime, args, umask, places)
    finally:
        os.umask(umask)
    console.result({"runtime": str(runtime)}, "The backend has ended.")


def _serve(runtime: Path, args: argparse.Namespace, umask: int, places: tuple[WorkerPlace, ...]) -> None:
    with RuntimeLock(runtime) as lock:
        start_log(runtime / LOG_FILE)
        for note in lock.notes:
            log.warning(note)
        allow_many_connections()
        job_object = end_children_with_us()
        parent, idle = (None, None) if args.keep else (args.parent, args.idle * 60)
        settings = FrontSettings(runtime, parent, idle, umask, places)
        serve(settings, (signal.SIGINT, signal.SIGTERM))
        del job_object
