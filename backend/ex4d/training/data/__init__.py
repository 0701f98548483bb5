# SPDX-License-Identifier: Apache-2.0
"""Ordinary videos -> windows of a few dozen frames with simulated masks, in a folder that training reads.

DATASET/dataset.json        settings, windows, what was left out and why; written last
DATASET/videos/HASH.json    what was found in one video
DATASET/masks/WINDOW.npz    masks of one window, one for each variant, as bits; what they were drawn with
DATASET/latents/KEY/…       what the frozen encoders make of them (``ex4d.training.latents``)
"""

from ex4d.training.data.dataset import Dataset, DatasetSettings, read_masks
from ex4d.training.data.prepare import prepare
from ex4d.training.data.videos import Video, find_videos
from ex4d.training.data.windows import Window, scan_video, window_frames

__all__ = [
    "Dataset",
    "DatasetSettings",
    "Video",
    "Window",
    "find_videos",
    "prepare",
    "read_masks",
    "scan_video",
    "window_frames",
]
