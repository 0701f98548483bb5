# SPDX-License-Identifier: Apache-2.0
"""Simulated masks of a clip, as a picture to look at and as times to compare.

    python tools/show_masks.py VIDEO OUT.png|OUT.jpg [--depth NAME] [--seed 0] [--columns 7] [--size 512x512]
    python tools/show_masks.py VIDEO --time

Rows of the picture: the clip, its depth, rendering masks of the three families of trajectories, a tracking mask, and an
eroded one; columns are moments. --time makes both masks at full size and prints seconds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth import default_estimator
from ex4d.protocol.values import parse_size
from ex4d.raster import create_rasterizer
from ex4d.system.files import atomic_write
from ex4d.training.data import DatasetSettings, scan_video, window_frames
from ex4d.training.data.depth import estimate_depth
from ex4d.training.data.windows import Window
from ex4d.training.masking import MaskingParameters, erode, simulate
from ex4d.training.masking.parameters import FAMILIES
from ex4d.training.masking.trackers import FlowTracker

TILE, LABEL = 160, 20


def _over(frames: NDArray[np.uint8], masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Clip with its holes in magenta."""
    return np.where(masks[..., None] > 0, frames, np.array([255, 0, 255], np.uint8))


def _row(label: str, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    tiles = [cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA) for picture in pictures]
    head = np.full((LABEL, TILE * len(tiles), 3), 255, np.uint8)
    cv2.putText(head, label, (4, LABEL - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([head, np.concatenate(tiles, axis=1)])


def sheet(frames: NDArray[np.uint8], name: str, depth: str, seed: int, columns: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3) RGB."""
    chosen = np.linspace(0, len(frames) - 1, columns).round().astype(int)
    depths, source = estimate_depth(frames, depth, MaskingParameters().fov_deg)
    rasterizer, _ = create_rasterizer()
    near = 1 / np.stack([depths[index] for index in chosen])
    shade = (255 * (near - near.min()) / np.ptp(near)).astype(np.uint8)
    rows = [_row("clip", frames[chosen]), _row(f"nearness ({depth})", np.repeat(shade[..., None], 3, axis=-1))]
    masks = np.zeros(0, np.uint8)
    for family in FAMILIES:
        parameters = MaskingParameters(policy="rendering", families=(family,))
        masks, sample = simulate(name, seed, frames, depths, source, rasterizer, FlowTracker(), parameters)
        rows.append(_row(f"rendering mask, {sample.trajectory}", _over(frames, masks)[chosen]))
    parameters = MaskingParameters(policy="tracking")
    masks, sample = simulate(name, seed, frames, (), None, rasterizer, FlowTracker(), parameters)
    label = f"tracking mask, grid {sample.grid}, kernel {sample.kernel}"
    rows.append(_row(label, _over(frames, masks)[chosen]))
    rows.append(_row("the same, eroded", _over(frames, erode(masks, name, seed, parameters))[chosen]))
    return np.concatenate(rows)


def times(frames: NDArray[np.uint8], name: str, depth: str, seed: int) -> str:
    """Seconds for the depth and for each kind of mask."""
    rasterizer, _ = create_rasterizer()
    started = time.perf_counter()
    depths, source = estimate_depth(frames, depth, MaskingParameters().fov_deg)
    lines = [f"depth ({depth})  {time.perf_counter() - started:6.2f} s"]
    for policy in ("rendering", "tracking"):
        started = time.perf_counter()
        simulate(name, seed, frames, depths, source, rasterizer, FlowTracker(), MaskingParameters(policy=policy))
        lines.append(f"{policy} mask  {time.perf_counter() - started:6.2f} s")
    count, height, width = frames.shape[:3]
    return "\n".join([f"{count} frames, {width}x{height}, {rasterizer.device}", *lines])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--depth", default=default_estimator())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--columns", type=int, default=7)
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--time", action="store_true")
    args = parser.parse_args()
    if (args.out is None) != args.time:
        parser.error("give a picture to write, or --time")
    count = DatasetSettings().frames
    first = next(iter(scan_video(args.video, count).firsts), 0)
    ((window, frames),) = window_frames([Window("0" * 64, args.video, first, count)], parse_size(args.size))
    if args.time:
        print(times(frames, window.name, args.depth, args.seed))
        return
    picture = sheet(frames, window.name, args.depth, args.seed, args.columns)
    ok, data = cv2.imencode(args.out.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert ok
    atomic_write(args.out, data.tobytes())


if __name__ == "__main__":
    main()
