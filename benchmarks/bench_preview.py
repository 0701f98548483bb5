# SPDX-License-Identifier: Apache-2.0
"""How long an artist waits for a preview: a table for docs/benchmarks.md.

    python -m benchmarks.bench_preview VIDEO [--frames 1001-1049] [--raster auto --raster nvdiffrast] [--repeat 5]

Starts a backend, reconstructs the plate and asks for previews over the socket, each from another camera, so that none
is found in the cache. Cold is the first one after the worker has started, warm the median of the others. Times are the
client's: from sending the job to having its result, with all pictures on disk.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ex4d_blender.core.backend_process import BackendProcess
from ex4d_blender.core.client import JobClient

from ex4d.protocol.errors import ErrorInfo, Ex4dError
from ex4d.protocol.requests import (
    FreeMemoryRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    Request,
)


class Backend:
    """A backend of our own, and a client of it."""

    def __init__(self, runtime: Path) -> None:
        self.process = BackendProcess(runtime, Path(sys.executable))
        self.process.start()
        self.client = JobClient("benchmark")
        self.client.connect(self.process.wait())
        while self.client.welcome is None or not self.client.welcome.ready:
            self.client.poll(100)

    def do(self, request: Request) -> tuple[Any, float]:
        """A job's result and how long it took, seconds; raises its error."""
        started = time.perf_counter()
        snapshot = self.client.wait(self.client.submit(request), alive=lambda: self.process.find() is not None)
        seconds = time.perf_counter() - started
        if snapshot.result is None:
            raise (snapshot.error or ErrorInfo()).error()
        return snapshot.result, seconds


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames")
    parser.add_argument("--raster", action="append")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        backend = Backend(Path(folder) / "run")
        shot = str(Path(folder) / "shot")
        plate = PlateRequest(str(args.video.absolute()), args.frames)
        made, seconds = backend.do(ReconstructRequest(shot, plate))
        numbers, size = made.plate.numbers, f"{made.plate.width}x{made.plate.height}"
        print(f"reconstruct: {len(numbers)} frames of {size} in {seconds:.1f} s\n")
        print("| rasterizer | device | preview | cold, s | warm, s | full size, s |\n|---|---|---|---|---|---|")
        for raster in args.raster or ["auto"]:
            backend.do(FreeMemoryRequest())
            times = []
            try:
                for index in range(args.repeat + 1):
                    camera = MoveCamera(f"orbit:{20 + index + 0.1 * len(raster)}")
                    result, seconds = backend.do(PreviewRequest(shot, camera, raster=raster))
                    times.append(seconds)
                _, full = backend.do(RenderRequest(shot, MoveCamera("orbit:29"), raster=raster))
            except Ex4dError as error:
                print(f"| {raster} | {error.message} | | | | |")
                continue
            width, height = result.size
            print(
                f"| {result.rasterizer} | {result.device} | {width}x{height} | {times[0]:.2f} "
                f"| {statistics.median(times[1:]):.2f} | {full:.1f} |"
            )
        backend.client.shutdown()
        time.sleep(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
