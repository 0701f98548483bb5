# SPDX-License-Identifier: Apache-2.0
"""The rasterizers on this machine's GPU: how far from the CPU's (Embree), and how fast.

    python -m benchmarks.bench_raster_gpu [VIDEO] [--agreement-step 4] [--repeat 10] [--time-only] [--film]

VIDEO is reconstructed with the default depth estimator; beside it stand the three scenes of raster_clips.py.
Without it their thin things, 49 frames, are timed. --film times single frames with the pixels of UHD instead.
Prints tables in Markdown for docs/benchmarks.md. A rasterizer that does not work here is left out with its reason.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.raster_clips import SCENES, Clip, agreement, flower, synthetic
from ex4d.mesh import build_mesh
from ex4d.protocol.errors import ResourceError
from ex4d.raster import Rasterizer, View, create_rasterizer

CANDIDATES = ("opengl", "nvdiffrast")
#: A square of as many pixels as UHD has.
FILM_SIDE = 2880


def created() -> Iterator[Rasterizer]:
    """The rasterizers that work here."""
    for name in CANDIDATES:
        try:
            yield create_rasterizer(name)[0]
        except ResourceError as error:
            print(f"{name} is left out: {error.message}")


def report_agreement(rasterizers: list[Rasterizer], clips: list[Clip]) -> bool:
    """Print the table; whether all are within the bounds."""
    print(
        "\n| clip | frames | rasterizer | mask IoU, worst frame | colour PSNR, worst frame, dB |\n|---|---|---|---|---|"
    )
    reference, _ = create_rasterizer("embree")
    good = True
    for clip in clips:
        views = clip.views()
        expected = list(reference.render_sequence(views))
        for rasterizer in rasterizers:
            iou, psnr = agreement(expected, list(rasterizer.render_sequence(views)))
            print(f"| {clip.name} | {len(views)} | {rasterizer.name} | {iou:.5f} | {psnr:.1f} |", flush=True)
            good &= iou >= 0.995 and psnr >= 40
    return good


def timed(call: Callable[[], Any], repeat: int, wait: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """(minimum, median) milliseconds of a call, after three to warm up; ``wait`` until its work is done."""
    times = []
    for index in range(repeat + 3):
        wait()
        start = time.perf_counter()
        call()
        wait()
        if index >= 3:
            times.append(1e3 * (time.perf_counter() - start))
    return min(times), statistics.median(times)


def row(name: str, times: tuple[float, float]) -> None:
    """Print one line of the table."""
    print(f"| {name} | {times[0]:.1f} | {times[1]:.1f} |", flush=True)


def time_one_by_one(rasterizer: Rasterizer, views: list[View], repeat: int) -> None:
    """Meshes that numpy has built: every frame for itself, then as a sequence."""

    def each() -> None:
        for mesh, texture, camera in views:
            with rasterizer.upload(mesh, texture) as scene:
                scene.render(camera)

    row(f"{rasterizer.name}: upload, render, read back, frame by frame", timed(each, repeat))
    row(f"{rasterizer.name}: the same as one sequence", timed(lambda: list(rasterizer.render_sequence(views)), repeat))


def time_opengl_parts(rasterizer: Any, views: list[View], repeat: int) -> None:
    """Where a sequence's time goes, one part after the other: nothing overlaps here, and the device is waited for."""
    from ex4d.raster.opengl.mesh import prepare

    names = ("packing (CPU)", "upload", "drawing and shading", "read-back", "the driver's calls of the middle two")
    totals: list[list[float]] = [[] for _ in names]
    for index in range(repeat + 1):
        spent = [0.0] * len(names)
        frames = []  # kept as a caller keeps them: memory that comes back is faster than new
        for mesh, texture, camera in views:
            with rasterizer.context as context:
                moments = [time.perf_counter()]

                def lap(part: int, moments: list[float] = moments, spent: list[float] = spent) -> None:
                    moments.append(time.perf_counter())
                    spent[part] += 1e3 * (moments[-1] - moments[-2])

                prepared = prepare(mesh, texture, rasterizer.scratch)
                lap(0)
                buffers = rasterizer.take_buffers(prepared)
                called = 1e3 * (time.perf_counter() - moments[-1])
                context.finish()
                lap(1)
                reading = rasterizer.draw(buffers, camera)
                called += 1e3 * (time.perf_counter() - moments[-1])
                context.finish()
                lap(2)
                frames.append(reading.finish())
                lap(3)
                spent[4] += called
                rasterizer.give_back(buffers)
        # The first round makes buffers.
        if index:
            for total, value in zip(totals, spent, strict=True):
                total.append(value)
    for name, values in zip(names, totals, strict=True):
        row(f"opengl, nothing overlapping: {name}", (min(values), statistics.median(values)))


def time_batch(rasterizer: Any, clip: Clip, repeat: int) -> None:
    """The nvdiffrast rasterizer with tensors, whole and in parts."""
    import torch

    from ex4d.mesh.torch.surface import build_surfaces
    from ex4d.raster.cuda import shading
    from ex4d.raster.cuda.render_mesh import draw_surfaces

    wait = torch.cuda.synchronize
    depth, color = rasterizer.to_device(clip.depth), rasterizer.to_device(clip.color)
    opaque = rasterizer.to_device(clip.opaque)
    arguments = (clip.sources, clip.takes, clip.far, opaque)

    def whole() -> Any:
        return rasterizer.render_batch(depth, color, *arguments)

    torch.cuda.reset_peak_memory_stats()
    row("nvdiffrast: mesh and raster, on the GPU from tensors to tensors", timed(whole, repeat, wait))
    peak = torch.cuda.max_memory_allocated() / 2**30
    batch = whole()
    parts = range(0, len(clip.takes), -(-len(clip.takes) // 4))
    pieces = [slice(first, first + parts.step) for first in parts]

    def over(work: Callable[[Any], Any], items: list[Any]) -> tuple[float, float]:
        return timed(lambda: [work(item) for item in items], repeat, wait)

    surfaces = [build_surfaces(depth[p], clip.sources[p], clip.far, opaque[p]) for p in pieces]
    drawn = [draw_surfaces(each) for each in surfaces]
    seen = [shading.in_take_cameras(d, clip.takes[p]) for d, p in zip(drawn, pieces, strict=True)]
    faces = [
        rasterizer._visible_faces(*three) for three in zip(drawn, seen, (clip.takes[p] for p in pieces), strict=True)
    ]
    row(
        "of it: vertices and validity",
        over(lambda p: build_surfaces(depth[p], clip.sources[p], clip.far, opaque[p]), pieces),
    )
    row("of it: jumps taken apart", over(draw_surfaces, surfaces))
    row(
        "of it: into the take cameras",
        over(lambda i: shading.in_take_cameras(drawn[i], clip.takes[pieces[i]]), list(range(len(pieces)))),
    )
    row(
        "of it: nvdiffrast",
        over(lambda i: rasterizer._visible_faces(drawn[i], seen[i], clip.takes[pieces[i]]), list(range(len(pieces)))),
    )
    row(
        "of it: colour, mask and z",
        over(
            lambda i: shading.shade(drawn[i], color[pieces[i]], seen[i], faces[i], clip.takes[pieces[i]]),
            list(range(len(pieces))),
        ),
    )
    row(
        "upload of depth, colour and opacity",
        timed(lambda: [rasterizer.to_device(each) for each in (clip.depth, clip.color, clip.opaque)], repeat, wait),
    )
    row("read-back of colour, mask and z", timed(lambda: rasterizer.read_back(batch), repeat, wait))

    def with_transfer() -> None:
        moved = [rasterizer.to_device(each) for each in (clip.depth, clip.color, clip.opaque)]
        rasterizer.read_back(rasterizer.render_batch(moved[0], moved[1], clip.sources, clip.takes, clip.far, moved[2]))

    row("nvdiffrast: mesh and raster, with upload and read-back", timed(with_transfer, repeat, wait))
    print(f"\nPeak GPU memory of torch: {peak:.1f} GiB; nvdiffrast's own buffers come on top.")


def report_film(rasterizers: list[Rasterizer], repeat: int) -> None:
    """Frames with the pixels of UHD, from depth in arrays to the picture in arrays, one part after the other."""
    clip = synthetic("blocks", 3, FILM_SIDE)
    names = ("mesh", "occlusion edges", "upload, render, read back")
    print(f"\n| a frame {FILM_SIDE}x{FILM_SIDE} | minimum, ms | median, ms |\n|---|---|---|")
    for rasterizer in rasterizers:
        spent: list[list[float]] = [[] for _ in range(len(names) + 1)]
        for index in range(repeat + 1):
            frame = index % len(clip.takes)
            moments = [time.perf_counter()]
            mesh = build_mesh(clip.depth[frame], clip.sources[frame], clip.far, clip.opaque[frame])
            moments.append(time.perf_counter())
            _ = mesh.edges
            moments.append(time.perf_counter())
            list(rasterizer.render_sequence([(mesh, clip.color[frame], clip.takes[frame])]))
            moments.append(time.perf_counter())
            # The first round makes the topology and buffers.
            if index:
                for values, first, last in zip(
                    spent, [*moments[:-1], moments[0]], [*moments[1:], moments[-1]], strict=True
                ):
                    values.append(1e3 * (last - first))
        for name, values in zip((*names, "all"), spent, strict=True):
            row(f"{rasterizer.name}: {name}", (min(values), statistics.median(values)))


def main() -> int:
    """Command line; 1 where a rasterizer is further from Embree than it may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--agreement-step", type=int, default=4, help="compare every so many frames of the video")
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--time-only", action="store_true", help="compare nothing with Embree")
    parser.add_argument("--film", action="store_true", help="time frames with the pixels of UHD, and nothing else")
    args = parser.parse_args()
    rasterizers = list(created())
    if args.film:
        report_film(rasterizers, args.repeat)
        return 0
    clip = flower(args.video) if args.video else synthetic("thin things", 49)
    count, height, width = clip.depth.shape
    print(f"{clip.name}: {count} frames {width}x{height}, {time.strftime('%Y-%m-%d')}")
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for rasterizer in rasterizers:
        print(f"{rasterizer.name}: {rasterizer.device} [{rasterizer.licence}]")
    compared = [clip.part(args.agreement_step), *(synthetic(name, 3) for name in SCENES)]
    good = args.time_only or report_agreement(rasterizers, compared)
    start = time.perf_counter()
    views = clip.views()
    jumps = np.mean([len(mesh.edges.replaced) for mesh, _, _ in views if mesh.edges is not None])
    print(f"\n{jumps:.0f} faces a frame span a jump; meshes by numpy: {time.perf_counter() - start:.1f} s.")
    print(f"\n| {count} frames | minimum, ms | median, ms |\n|---|---|---|")
    for rasterizer in rasterizers:
        time_one_by_one(rasterizer, views, max(3, args.repeat // 2))
        if rasterizer.name == "opengl":
            time_opengl_parts(rasterizer, views, max(3, args.repeat // 2))
        else:
            time_batch(rasterizer, clip, args.repeat)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
