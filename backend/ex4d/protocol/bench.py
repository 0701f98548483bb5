# SPDX-License-Identifier: Apache-2.0
"""The request and the results of a bench, which compares a result with rendered truth.

It is no job of the service: what was not measured is NaN and what has no error may be infinite, which JSON has neither
of. The command line writes them in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: What can be compared.
Subject: TypeAlias = Literal["quality", "depth", "camera"]
#: What may be fitted to a true depth first.
Fit: TypeAlias = Literal["none", "scale", "affine"]
#: The same in words.
FITS: dict[Fit, str] = {"none": "nothing", "scale": "scale", "affine": "scale and shift"}


@dataclass(frozen=True)
class BenchRequest:
    """A result and what it is compared with.

    Attributes:
        what: "quality", "depth" or "camera".
        result: of "quality" a take's folder, a folder of pictures or a movie; of "depth" the name of an estimator or
            depth files of the source camera's pictures; of "camera" a trajectory file.
        truth: folder of a scene with truth; but for "depth", of one of its target cameras.
    """

    what: Subject
    result: str
    truth: str


@dataclass(frozen=True)
class RegionScore:
    """One region of a clip.

    Attributes:
        share: of all pixels.
        psnr: dB.
        psnr_low_pass: the same of both pictures without what is as fine as a pixel, which leaves misalignment.
        ssim: structural similarity.
        lpips: NaN where it is left out.
        flicker, flicker_truth: of what stands still, and the truth's own, in 8-bit code values; NaN where the target
            has not all frames.
    """

    share: float
    psnr: float
    psnr_low_pass: float
    ssim: float
    lpips: float
    flicker: float
    flicker_truth: float


@dataclass(frozen=True)
class ClipScore:
    """A clip.

    Attributes:
        frames: how many were scored: those that the target has.
        regions: by name (``ex4d.evaluation.score.REGIONS``, and "all").
        seam: mean seam error, 8-bit code values a pixel; NaN without masks.
        precision, recall, hole_iou: of the masks' holes against the true disocclusion; NaN without masks.
        alignment_px, bias_px: median and mean shift of what is co-visible and kept, pixels.
    """

    frames: int
    regions: dict[str, RegionScore]
    seam: float
    precision: float
    recall: float
    hole_iou: float
    alignment_px: float
    bias_px: float


@dataclass(frozen=True)
class DepthScore:
    """Errors over a clip, pixels with true depth only.

    Attributes:
        abs_rel: mean of |predicted − true| / true (Eigen, Puhrsch and Fergus, 2014).
        delta1: share of pixels whose ratio to the truth, one way or the other, is below 1.25 (same source).
        edge_f1: harmonic mean of precision and recall of outlines, with a pixel's slack, mean over
            ``ex4d.evaluation.depth.EDGE_RATIOS``.
        wobble: mean change of log(predicted / true) from a frame to the next, where both show the same surface.
    """

    abs_rel: float
    delta1: float
    edge_f1: float
    wobble: float


@dataclass(frozen=True)
class DepthScores:
    """A depth, by what was fitted to the truth first, once for the clip (``FITS``); a shift is one of the disparity."""

    none: DepthScore
    scale: DepthScore
    affine: DepthScore


@dataclass(frozen=True)
class CameraErrors:
    """Errors of a path whose first camera has been laid on the true one.

    RotErr and TransErr as in CameraCtrl (He et al., 2024), but as means and not as sums over the frames, so that clips
    of different lengths compare, and with the scale fitted, because no video tells it.

    Attributes:
        rotation_deg: mean angle between the cameras.
        rotation_max_deg: largest such angle.
        translation: mean distance of the centres, as a share of the true path's length; NaN for one that does not move.
        scale: that the estimated path was multiplied by.
    """

    rotation_deg: float
    rotation_max_deg: float
    translation: float
    scale: float


BenchResult: TypeAlias = ClipScore | DepthScores | CameraErrors
