# SPDX-License-Identifier: GPL-3.0-or-later
"""How well holes of the takes are filled, by what the plate has shown of them: a table, and pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.fills import preview_frames, source_kept, telea
from ex4d.evaluation.score import score_clip
from ex4d.evaluation.sheet import sheet
from ex4d.evaluation.temporal import static_paths
from ex4d.evaluation.truth import TruthScene
from ex4d.fill import PixelOrigin, TakeScene
from ex4d.fill.stage import RenderedTake
from ex4d.jobs.cameras import camera_from_file
from ex4d.raster import create_rasterizer
from research.fill_proof.takes import Takes, opened, scene_label

#: Fills in the order of the table; those after the first two are files of ``prove_training.py train``.
SIMPLE, LEARNED = ("preview", "telea"), ("backbone", "rendering", "tracking", "either", "both", "mean")
#: Those that are shown once more beneath what other frames show (``laid``): nothing is to be made up that was seen.
BENEATH = ("backbone", "rendering", "both", "mean")
REGIONS = ("other frame", "never seen")
Videos = dict[str, NDArray[np.uint8]]


def _fills(take: RenderedTake, known: RenderedTake, learned: Videos) -> dict[str, Iterator[np.ndarray]]:
    preview = preview_frames(known)
    return {
        "preview": (color for color, _ in preview),
        "telea": map(telea, take.frames()),
        **{name: iter(video) for name, video in learned.items()},
        **{f"{name}+": laid(preview, learned[name]) for name in BENEATH if name in learned},
    }


def laid(preview: Iterable[tuple[np.ndarray, np.ndarray]], video: NDArray[np.uint8]) -> Iterator[np.ndarray]:
    """Frames of a video beneath the still surface that the preview fill has found in other frames of the plate."""
    for (color, origin), made in zip(preview, video, strict=True):
        yield np.where((origin == PixelOrigin.OTHER_FRAME)[..., None], color, made)


def score(takes_folder: Path, results: Path, out: Path) -> None:
    """Write ``scores.json``, ``table.md`` and ``takes.png`` into ``out``.

    Args:
        takes_folder: of ``prove_training.py takes``.
        results: of ``prove_training.py train``, of all adapters or some.
    """
    takes = Takes.read(takes_folder / "takes.npz")
    videos = {}
    for name in LEARNED:
        if not (results / f"{name}.npz").exists():
            continue
        with np.load(results / f"{name}.npz") as file:
            videos[name] = file["videos"]
    scores: dict[str, dict[str, dict[str, float]]] = {}
    rows = []
    for folder in sorted(takes_folder.glob("truth_*/*/scene.json")):
        scene = TruthScene.open(folder.parent)
        pipeline = opened(scene, takes_folder)
        made = pipeline.reconstruction
        for target, view in scene.targets.items():
            label = f"{scene_label(scene)} {target}"
            at = takes.labels.index(label)
            rendered = pipeline.render(pipeline.camera(camera_from_file(view.folder / "camera.json")))
            take_scene = TakeScene(
                made.frames, made.mesh, rendered.raster.trajectory, made.depth.tolerance, lambda: create_rasterizer()[0]
            )
            background, _ = pipeline.background(rendered, take_scene)
            known = RenderedTake(rendered.raster, take_scene, background)
            take, paths = RenderedTake(rendered.raster, None), list(static_paths(scene, view))
            scores[label] = {}
            last: list[NDArray[np.uint8]] = []
            for name, colors in _fills(take, known, {k: v[at] for k, v in videos.items()}).items():
                frames = list(source_kept(take, colors))
                found = score_clip(iter(frames), scene, view, paths=paths)
                scores[label][name] = {region: found.regions[region].psnr for region in REGIONS}
                scores[label][name] |= {f"{region} ssim": found.regions[region].ssim for region in REGIONS}
                scores[label][name] |= {f"{region} share": found.regions[region].share for region in REGIONS}
                last.append(np.asarray(frames[-1].color, np.uint8))
            if target.endswith(("right_30", "left_60")):
                rows.append((label, [takes.color[at][-1], *last, view.picture(scene.numbers[-1])]))
    out.mkdir(parents=True, exist_ok=True)
    (out / "scores.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    table = "\n".join(_table(scores))
    (out / "table.md").write_text(table + "\n", encoding="utf-8")
    print(table)
    heads = ("take", *next(iter(scores.values())), "truth")
    cv2.imwrite(str(out / "takes.png"), sheet(rows, heads, 128)[..., ::-1])
    shown = [(label, at) for at, label in enumerate(takes.labels) if label not in scores]
    if shown:
        _footage(takes, videos, shown, out / "footage.png")


def _footage(takes: Takes, videos: Videos, shown: list[tuple[str, int]], path: Path) -> None:
    rows = []
    for label, at in shown:
        kept = takes.kept[at][-1][..., None]
        filled = [np.where(kept, takes.color[at][-1], video[at][-1]) for video in videos.values()]
        rows.append((label, [takes.color[at][0], takes.color[at][-1], *filled]))
    cv2.imwrite(str(path), sheet(rows, ("first", "take", *videos), 128)[..., ::-1])


def _family(label: str) -> str:
    """Of "FAMILY_SEED TARGET"."""
    return label.partition(" ")[0].rpartition("_")[0]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([value for value in values if math.isfinite(value)]))


def _table(scores: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    """Mean PSNR and SSIM over takes that have the region, and by family."""
    names = list(next(iter(scores.values())))
    yield "| region | takes | " + " | ".join(names) + " |"
    yield "|---" * (len(names) + 2) + "|"
    families = sorted({_family(label) for label in scores})
    for region in REGIONS:
        for family in ("", *families):
            # A handful of pixels says nothing.
            chosen = [
                s
                for label, s in scores.items()
                if family in ("", _family(label)) and s[names[0]][f"{region} share"] > 0.002
            ]
            if not chosen:
                continue
            means = [_mean(s[name][region] for s in chosen) for name in names]
            alike = [_mean(s[name][f"{region} ssim"] for s in chosen) for name in names]
            cells = " | ".join(f"{mean:.1f} / {ssim:.2f}" for mean, ssim in zip(means, alike, strict=True))
            yield f"| {region}{', ' + family if family else ''} | {len(chosen)} | {cells} |"
