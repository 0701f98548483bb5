# SPDX-License-Identifier: Apache-2.0
"""Making a dataset: several processes, resumable at every window."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth import create_depth_source
from ex4d.plate import plate_hash
from ex4d.protocol.errors import BadInputError, TransientError, UsageError
from ex4d.raster import create_rasterizer
from ex4d.stages.stage import content_key
from ex4d.system.files import atomic_write, make_folder
from ex4d.system.progress import Progress
from ex4d.training.data.dataset import DATASET_FILE, Dataset, DatasetSettings, masks_file, pack_masks, read_masks
from ex4d.training.data.depth import estimate_depth
from ex4d.training.data.videos import Video
from ex4d.training.data.windows import STATIC_CHANGE, Window, scan_video, window_frames
from ex4d.training.masking import simulate
from ex4d.training.masking.sampling import draw_kinds
from ex4d.training.masking.trackers import create_tracker

#: Windows of a video that one process does at a time: enough to decode little twice, few enough to stop soon.
_CHUNK = 4
#: Libraries that have been loaded here do not survive a fork.
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class _Found:
    """One video, looked through."""

    windows: tuple[Window, ...]
    rejected: dict[str, int]
    problem: str


def _scan(video: Video, folder: Path, count: int) -> _Found:
    """Look through a video, or read what an earlier look found."""
    try:
        digest = plate_hash(video.path)
    except BadInputError as error:
        return _Found((), {"broken": 1}, str(error))
    rule = content_key({"version": 1, "frames": count, "static": STATIC_CHANGE})
    path = folder / "videos" / f"{digest}.json"
    record: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        record = json.loads(path.read_text(encoding="utf-8"))
    if record.get("rule") != rule:
        record = {"rule": rule, "name": video.path.name, **scan_video(video.path, count).record()}
        atomic_write(path, json.dumps(record).encode())
    windows = tuple(Window(digest, video.path.resolve(), first, count, video.caption) for first in record["firsts"])
    return _Found(windows, record["rejected"], record["problem"])


def _has_masks(folder: Path, window: Window, settings: DatasetSettings) -> bool:
    """Whether a window's masks are there, whole."""
    if not masks_file(folder, window).is_file():
        return False
    try:
        return read_masks(folder, window).shape == (settings.variants, settings.frames, *settings.size[::-1])
    except BadInputError:
        return False


def _make_masks(windows: Sequence[Window], folder: Path, settings: DatasetSettings) -> None:
    """The masks of windows of one video."""
    # The processes are what runs side by side.
    cv2.setNumThreads(1)
    rasterizer, _ = create_rasterizer()
    tracker = create_tracker(settings.tracker)
    try:
        for window, frames in window_frames(windows, settings.size):
            seeds = range(settings.seed, settings.seed + settings.variants)
            depths: list[NDArray[np.float32]] = []
            source: Trajectory | None = None
            if any("rendering" in draw_kinds(window.name, seed, settings.masking) for seed in seeds):
                depths, source = estimate_depth(frames, settings.depth, settings.masking.fov_deg)
            made = [
                simulate(window.name, seed, frames, depths, source, rasterizer, tracker, settings.masking)
                for seed in seeds
            ]
            arrays = pack_masks(np.stack([masks for masks, _ in made]))
            drawn = json.dumps([sample.record() for _, sample in made])
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **arrays, drawn=np.array(drawn))
            atomic_write(masks_file(folder, window), buffer.getvalue())
    finally:
        rasterizer.close()


def default_workers() -> int:
    """Processes that this machine's cores keep busy."""
    return max(1, os.cpu_count() or 1)


def _done(futures: set[Future[Any]]) -> Iterator[Future[Any]]:
    """Futures as they end; a failure or an interrupt drops those that have not begun."""
    pending = set(futures)
    try:
        while pending:
            ended, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from ended
    finally:
        for future in pending:
            future.cancel()


def _claim(folder: Path, settings: DatasetSettings) -> None:
    """Mark a folder as this dataset's; raises UsageError where it is another's."""
    path, record = folder / "settings.json", settings.record()
    with suppress(OSError, ValueError):
        if json.loads(path.read_text(encoding="utf-8")) != record:
            raise UsageError(
                f"{folder} was prepared with other settings.", "Give the same, or name another folder with --out."
            )
        return
    atomic_write(path, json.dumps(record, indent=1).encode())


def prepare(
    videos: Sequence[Video], folder: Path, settings: DatasetSettings, progress: Progress, workers: int | None = None
) -> Dataset:
    """Make a dataset, or finish one that was begun; what is there is not made again.

    Args:
        videos: to train on.
        folder: of the dataset.
        settings: of the dataset.
        progress: stages "scan" and "masks".
        workers: processes; None = one a core.

    Raises:
        UsageError: the folder was begun with other settings.
        BadInputError: no video has a usable window.
        ResourceError: no rasterizer works, or the depth estimator or the tracker is not installed.
    """
    # Whatever is missing shows before the first long work.
    create_rasterizer()[0].close()
    create_tracker(settings.tracker)
    create_depth_source(settings.depth, fov_deg=settings.masking.fov_deg).prepare()
    for name in ("videos", "masks"):
        make_folder(folder / name)
    _claim(folder, settings)
    with ProcessPoolExecutor(workers or default_workers(), mp_context=_CONTEXT) as pool:
        try:
            found = _scan_all(pool, videos, folder, settings, progress)
            _mask_all(pool, found.windows, folder, settings, progress)
        except BrokenProcessPool as error:
            raise TransientError(
                "A process that prepares the data was ended, most likely for lack of memory.",
                "Run the same command again with fewer --workers; it goes on from there.",
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    atomic_write(folder / DATASET_FILE, (json.dumps(found.record(), indent=1) + "\n").encode())
    return found


def survey(
    videos: Sequence[Video], settings: DatasetSettings, progress: Progress, workers: int | None = None
) -> Dataset:
    """What ``prepare`` would find, without writing anything that stays."""
    with tempfile.TemporaryDirectory(prefix="ex4d-") as place:
        make_folder(Path(place) / "videos")
        with ProcessPoolExecutor(workers or default_workers(), mp_context=_CONTEXT) as pool:
            return _scan_all(pool, videos, Path(place), settings, progress)


def _scan_all(
    pool: ProcessPoolExecutor, videos: Sequence[Video], folder: Path, settings: DatasetSettings, progress: Progress
) -> Dataset:
    progress.begin("scan", len(videos))
    futures = {pool.submit(_scan, video, folder, settings.frames): video for video in videos}
    results: dict[Path, _Found] = {}
    for future in _done(set(futures)):
        video = futures[future]
        results[video.path] = future.result()
        if results[video.path].problem:
            progress.note(f"{video.path.name} is left out: {results[video.path].problem}")
        progress.advance()
    progress.end()
    windows: dict[str, Window] = {}
    rejected: Counter[str] = Counter()
    for video in videos:
        scanned = results[video.path]
        rejected.update(scanned.rejected)
        for window in scanned.windows:
            # The same file under two names is one.
            rejected["duplicate"] += int(window.name in windows)
            windows.setdefault(window.name, window)
    if not windows:
        raise BadInputError(
            f"None of {len(videos)} videos has {settings.frames} frames in a row in which something moves: "
            f"{reasons(rejected)}.",
            "Use longer videos without cuts, or shorter clips with --frames.",
        )
    ordered = tuple(windows[name] for name in sorted(windows))
    return Dataset(folder, settings, ordered, {key: value for key, value in sorted(rejected.items()) if value})


def _mask_all(
    pool: ProcessPoolExecutor,
    windows: Sequence[Window],
    folder: Path,
    settings: DatasetSettings,
    progress: Progress,
) -> None:
    missing = [window for window in windows if not _has_masks(folder, window, settings)]
    progress.begin("masks", len(missing))
    chunks: list[list[Window]] = []
    for window in sorted(missing, key=lambda window: (window.video, window.first)):
        if chunks and chunks[-1][0].video == window.video and len(chunks[-1]) < _CHUNK:
            chunks[-1].append(window)
        else:
            chunks.append([window])
    futures = {pool.submit(_make_masks, chunk, folder, settings): chunk for chunk in chunks}
    for future in _done(set(futures)):
        future.result()
        for _ in futures[future]:
            progress.advance()
    progress.end(cached=not missing)


def reasons(rejected: Counter[str] | dict[str, int]) -> str:
    """What was left out, as text."""
    return ", ".join(f"{number} {reason}" for reason, number in sorted(rejected.items())) or "nothing left out"
