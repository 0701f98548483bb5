# SPDX-License-Identifier: Apache-2.0
"""The score of a re-shot clip against the truth, by what the plate has shown of each pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.composite.result_files import sequence_file
from ex4d.evaluation.alignment import Alignment, alignment
from ex4d.evaluation.masks import MaskCounts
from ex4d.evaluation.perceptual import Lpips
from ex4d.evaluation.pictures import Picture, PictureScore, low_passed, ssim_map
from ex4d.evaluation.seams import seam_error
from ex4d.evaluation.temporal import Flicker, static_paths
from ex4d.evaluation.truth import Region, TruthScene, TruthView
from ex4d.media.images import read_grey
from ex4d.plate import open_display_plate
from ex4d.protocol.bench import ClipScore, RegionScore
from ex4d.protocol.errors import BadInputError

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]

#: As the tables name them.
REGIONS = {"co-visible": Region.CO_VISIBLE, "other frame": Region.OTHER_FRAME, "never seen": Region.NEVER_SEEN}
#: Alignment is measured in so many frames at most, evenly spread.
ALIGNMENT_FRAMES = 9


@dataclass(frozen=True)
class ResultFrame:
    """One frame of a result.

    Attributes:
        color: (H, W, 3) 8 or 16 bits.
        mask: (H, W) uint8, 0 = filled; None where it is not known.
    """

    color: Picture
    mask: NDArray[np.uint8] | None


class _RegionSum:
    def __init__(self) -> None:
        self.picture, self.smooth = PictureScore(), PictureScore()
        self.flicker, self.flicker_truth = Flicker(), Flicker()
        self.distance = 0.0

    def add(
        self,
        frame: Picture,
        truth: Picture,
        smooth: tuple[Float, Float],
        where: Bool,
        similar: Any,
        distance: Any,
        paths: Float | None,
    ) -> None:
        self.picture.add(frame, truth, where, similar)
        # Similarity of what is low-passed is not asked for.
        self.smooth.add(*smooth, where, similar)
        self.flicker.add(frame, where, paths)
        self.flicker_truth.add(truth, where, paths)
        if distance is not None:
            self.distance += float(distance[where].sum(dtype=np.float64))

    def score(self, pixels: int, lpips: bool) -> RegionScore:
        own = self.picture.pixels
        distance = self.distance / own if lpips and own else math.nan
        flicker = self.flicker.value, self.flicker_truth.value
        picture = self.picture.psnr, self.smooth.psnr, self.picture.ssim
        return RegionScore(own / max(pixels, 1), *picture, distance, *flicker)


def target_indices(scene: TruthScene) -> range:
    """Of the frames that a scene's targets have."""
    return range(0, len(scene.numbers), scene.step)


def score_clip(
    frames: Iterable[ResultFrame],
    scene: TruthScene,
    view: TruthView,
    lpips: Lpips | None = None,
    paths: Sequence[Float] | None = None,
) -> ClipScore:
    """Score the frames of a result against a target view: those that the target has.

    Args:
        frames: in order, one for each of the scene's, at the truth's size.
        paths: ``static_paths`` of the view, where they are known already.

    Raises:
        BadInputError: another number of frames, or another size.
    """
    sums = {name: _RegionSum() for name in (*REGIONS, "all")}
    masks, seams, shifts = MaskCounts(), [], []
    numbers, count, pixels = scene.numbers, 0, 0
    there = target_indices(scene)
    aligned = {there[i] for i in np.linspace(0, len(there) - 1, min(ALIGNMENT_FRAMES, len(there))).round().astype(int)}
    steps = _steps(scene, view, paths)
    for frame in frames:
        if count == len(numbers):
            raise _unequal(count + 1, len(numbers), "or more ")
        step = next(steps)
        if count not in there:
            count += 1
            continue
        truth, codes = view.picture(numbers[count]), view.regions(numbers[count])
        if frame.color.shape != truth.shape:
            raise BadInputError(
                f"The result is {frame.color.shape[1]}x{frame.color.shape[0]}, the truth {truth.shape[1]}x"
                f"{truth.shape[0]} pixels.",
                "Bring the result at the truth's size.",
            )
        similar = ssim_map(frame.color, truth)
        distance = lpips.map(frame.color, truth) if lpips else None
        smooth = low_passed(frame.color), low_passed(truth)
        for name, code in REGIONS.items():
            sums[name].add(frame.color, truth, smooth, codes == code, similar, distance, step)
        sums["all"].add(frame.color, truth, smooth, np.ones(codes.shape, np.bool_), similar, distance, step)
        pixels += codes.size
        kept = codes == Region.CO_VISIBLE
        if frame.mask is not None:
            masks.add(frame.mask == 0, codes != Region.CO_VISIBLE)
            seams.append(seam_error(frame.color, truth, frame.mask))
            kept &= frame.mask > 0
        if count in aligned:
            shifts.append(alignment(frame.color, truth, kept))
        count += 1
    if count != len(numbers):
        raise _unequal(count, len(numbers), "")
    pooled = Alignment.pooled(shifts)
    known = [seam for seam in seams if not math.isnan(seam)]
    return ClipScore(
        len(there),
        {name: part.score(pixels, lpips is not None) for name, part in sums.items()},
        float(np.mean(known)) if known else math.nan,
        masks.precision,
        masks.recall,
        masks.iou,
        pooled.median_px,
        pooled.bias_px,
    )


def _steps(scene: TruthScene, view: TruthView, paths: Sequence[Float] | None) -> Iterator[Float | None]:
    """For each frame of the scene, where the former frame's pixels are in it; None where nothing tells."""
    if scene.step > 1:
        # Neighbours of the target's frames are not there.
        return repeat(None)
    return chain([None], static_paths(scene, view) if paths is None else paths)


def _unequal(found: int, wanted: int, more: str) -> BadInputError:
    return BadInputError(
        f"The result has {found} {more}frames, the truth {wanted}.", "Compare a result of the whole clip."
    )


def read_result(path: Path) -> Iterable[ResultFrame]:
    """The frames of a take's folder, of a folder of pictures, or of a movie.

    Only a take's folder has masks.

    Raises:
        BadInputError: there is none, or it is damaged.
    """
    take = path / "result"
    pictures, masks = (take, path / "mask") if take.is_dir() else (path, None)
    for frame in open_display_plate(pictures).frames():
        mask = None
        if masks is not None:
            mask = np.asarray(read_grey(sequence_file(masks, frame.number)), np.uint8)
        yield ResultFrame(frame.pixels, mask)
