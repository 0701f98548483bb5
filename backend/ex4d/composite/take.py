# SPDX-License-Identifier: Apache-2.0
"""Stage 6: a take, the thing that is delivered: pictures, mask, movie, trajectory and a record of how it was made.

Takes are numbered v001, v002 … and never overwritten.
"""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ex4d import __version__
from ex4d.cache import claim, content_key, is_complete, seal
from ex4d.camera import write_json
from ex4d.composite.blend import composite
from ex4d.files import make_folder, remove_tree, temporary_sibling, writing
from ex4d.fill import Confidence
from ex4d.fill.stage import FillStore
from ex4d.media.images import write_png
from ex4d.media.movie import MovieWriter
from ex4d.plate.store import FrameStore
from ex4d.progress import Progress
from ex4d.raster import Texture
from ex4d.raster.store import RasterStore
from ex4d.workers import BoundedPool, prefetched

TAKE_FILE = "take.json"
TAKE_FORMAT = "ex4d-take"
_TAKE_NAME = re.compile(r"v(\d{3,})")
#: Packages whose versions change pixels.
_PACKAGES = ("numpy", "opencv-python-headless", "av", "moderngl", "embreex", "torch", "diffusers", "transformers")


def sequence_file(folder: Path, number: int) -> Path:
    """Path of a delivered picture: ``result/result.1001.png``."""
    return folder / f"{folder.name}.{number:04d}.png"


def existing_takes(root: Path) -> dict[str, Path]:
    """Finished takes in a shot's ``takes`` folder, by name, in order."""
    if not root.is_dir():
        return {}
    folders = (path for path in root.iterdir() if _TAKE_NAME.fullmatch(path.name) and is_complete(path))
    return {path.name: path for path in sorted(folders, key=lambda path: int(path.name[1:]))}


def find_take(root: Path, key: str) -> Path | None:
    """The finished take that was made from the same inputs."""
    for path in existing_takes(root).values():
        with suppress(OSError, ValueError, AttributeError):
            if json.loads((path / TAKE_FILE).read_text(encoding="utf-8")).get("key") == key:
                return path
    return None


def _next_name(root: Path) -> str:
    # Unfinished or damaged folders keep their number: nothing is ever written over.
    numbers = [int(match[1]) for path in root.iterdir() if (match := _TAKE_NAME.fullmatch(path.name))]
    return f"v{max(numbers, default=0) + 1:03d}"


def package_versions() -> dict[str, str]:
    """Versions of everything that changes pixels."""
    found = {"ex4d": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass
class TakeJob:
    """Composites a filled take and delivers it.

    Attributes:
        root: the shot's ``takes`` folder.
        frames: the plate.
        raster: the rendered take.
        fill: its filled frames.
        fill_key: key of the fill stage; with ``record`` it identifies the take.
        record: what the sidecar says of plate, camera, depth and mesh, JSON-able.
    """

    root: Path
    frames: FrameStore
    raster: Callable[[], RasterStore]
    fill: Callable[[], FillStore]
    fill_key: str
    record: Mapping[str, Any]

    version = 1

    def key(self) -> str:
        """Hash of everything that changes the delivered pictures."""
        return content_key({"stage": "take", "version": self.version, "fill": self.fill_key})

    def ensure(self, progress: Progress) -> Path:
        """Folder of the take; made as the next version if there is none of the same inputs."""
        found = find_take(self.root, self.key())
        if found:
            progress.begin("composite", None)
            progress.end(cached=True)
            return found
        make_folder(self.root)
        temporary = temporary_sibling(self.root / "take")
        try:
            with writing(self.root):
                temporary.mkdir()
                self._write(temporary, progress)
                seal(temporary, {"stage": "take", "key": self.key()})
                final = self._claim_number(temporary)
        except BaseException:
            remove_tree(temporary)
            raise
        progress.end()
        return final

    def _claim_number(self, temporary: Path) -> Path:
        """The folder's final name; that of another process's folder, where it has delivered the same take meanwhile."""
        while True:
            # In this order: whoever takes the number after it was chosen makes the claim fail.
            final = self.root / _next_name(self.root)
            if found := find_take(self.root, self.key()):
                remove_tree(temporary)
                return found
            if claim(temporary, final):
                return final

    def _write(self, out: Path, progress: Progress) -> None:
        raster, fill = self.raster(), self.fill()
        numbers = raster.numbers
        progress.begin("composite", len(numbers))
        folders = {name: make_folder(out / name) for name in ("result", "mask", "confidence")}
        trajectory = raster.trajectory
        frames: list[dict[str, Any]] = []

        def load(number: int) -> tuple[int, Texture, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
            color, mask = raster.color(number), raster.mask(number)
            result = composite(color, mask, fill.color(number), raster.z(number))
            return number, result, mask, fill.confidence(number)

        movie = MovieWriter(out / "result.mp4", width=trajectory.width, height=trajectory.height, fps=self.frames.fps)
        with movie, BoundedPool() as pool:
            for (number, result, mask, confidence), moment in zip(
                prefetched(load, numbers), self.frames.times, strict=True
            ):
                pool.submit(write_png, sequence_file(folders["result"], number), result)
                pool.submit(write_png, sequence_file(folders["mask"], number), mask)
                pool.submit(write_png, sequence_file(folders["confidence"], number), confidence)
                movie.write(result, moment if self.frames.variable_rate else None)
                frames.append({"frame": number, **_shares(mask, confidence)})
                progress.advance()
        write_json(out / "trajectory.json", trajectory)
        self._write_record(out, raster, fill, frames)

    def _write_record(self, out: Path, raster: RasterStore, fill: FillStore, frames: list[dict[str, Any]]) -> None:
        generated = [frame["generated"] for frame in frames]
        notes = [*self.record.get("notes", ()), *raster.notes, *fill.notes]
        record = {
            "format": TAKE_FORMAT,
            "version": self.version,
            "key": self.key(),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": package_versions(),
            **{name: value for name, value in self.record.items() if name != "notes"},
            "trajectory": "trajectory.json",
            "raster": {"name": raster.rasterizer, "device": raster.device, "licence": raster.licence},
            "fill": {
                "name": fill.name,
                "label": fill.label,
                "licence": fill.licence,
                "generative_model": fill.generative,
                "seed": fill.seed,
                "prompt": fill.prompt,
            },
            "fps": str(self.frames.fps),
            "generated_mean": round(float(np.mean(generated)), 6),
            "generated_max": round(float(np.max(generated)), 6),
            "frames": frames,
            "notes": list(dict.fromkeys(notes)),
        }
        (out / TAKE_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")


def _shares(mask: np.ndarray[Any, Any], confidence: np.ndarray[Any, Any]) -> dict[str, float]:
    """Share of a frame's pixels that is not its own source, and how much of that other frames showed."""
    holes = confidence < Confidence.MEASURED
    other = float((confidence == Confidence.OTHER_FRAME).sum()) / max(int(holes.sum()), 1)
    return {"generated": round(float((mask == 0).mean()), 6), "of_it_from_other_frames": round(other, 6)}
