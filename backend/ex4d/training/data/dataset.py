# SPDX-License-Identifier: Apache-2.0
"""A prepared folder: its settings, its windows, their masks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.fill.ex4d_wan.conditioning import TAKES
from ex4d.models.wan.sizes import FRAMES_PER_LATENT, SIZE_MULTIPLE
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.system.npz import read_npz
from ex4d.training.data.windows import Window
from ex4d.training.masking import MaskingParameters

DATASET_FILE = "dataset.json"
_FORMAT = "ex4d-training-data"
#: Raised when the same settings give other masks.
_VERSION = 1
#: Packed bits of the masks of a window: 600 of 49 frames at 512x512.
MOST_MASK_BYTES = 1 << 30


@dataclass(frozen=True)
class DatasetSettings:
    """Everything that decides a dataset besides the videos.

    Attributes:
        size: (width, height) of the clips, divisible by 16.
        frames: of a clip, 4k+1.
        variants: masks of each window; an epoch uses one of them.
        seed: of the masks.
        depth: name of the estimator of depth.
        tracker: name of the tracker.
        masking: parameters of the masks.
    """

    # The released training's size and length.
    size: tuple[int, int] = (TAKES.size.trained_side, TAKES.size.trained_side)
    frames: int = TAKES.frames.trained
    variants: int = 4
    seed: int = 0
    depth: str = "prior"
    tracker: str = "flow"
    masking: MaskingParameters = field(default_factory=MaskingParameters)

    def __post_init__(self) -> None:
        if any(side < 2 * SIZE_MULTIPLE or side % SIZE_MULTIPLE for side in self.size):
            raise UsageError(
                f"Clips of {self.size[0]}x{self.size[1]} do not fit the model.",
                f"Both sides must be divisible by {SIZE_MULTIPLE} and at least {2 * SIZE_MULTIPLE}.",
            )
        if self.frames < 1 + FRAMES_PER_LATENT or self.frames % FRAMES_PER_LATENT != 1:
            raise UsageError(f"Clips of {self.frames} frames do not fit the model.", "Use 4k+1 frames, like 49.")
        if self.variants < 1:
            raise UsageError(f"There cannot be {self.variants} masks of a window.", "Use at least 1.")

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> DatasetSettings:
        """Those of a dataset's file."""
        masking: dict[str, Any] = {
            entry.name: tuple(value) if isinstance(value := record["masking"][entry.name], list) else value
            for entry in fields(MaskingParameters)
        }
        plain = {entry.name: record[entry.name] for entry in fields(cls) if entry.name not in ("size", "masking")}
        return cls(size=tuple(record["size"]), masking=MaskingParameters(**masking), **plain)


def masks_file(folder: Path, window: Window) -> Path:
    """Where a window's masks are."""
    return folder / "masks" / f"{window.name}.npz"


def pack_masks(masks: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Masks (V, T, H, W), 0 or 255, as arrays of a file."""
    return {"bits": np.packbits(masks > 0), "shape": np.array(masks.shape, np.int64)}


def read_masks(folder: Path, window: Window) -> NDArray[np.uint8]:
    """Masks (V, T, H, W) uint8 of a window, 255 = kept.

    Raises:
        BadInputError: the file is missing or damaged.
    """
    arrays = read_npz(masks_file(folder, window), ("bits", "shape"), MOST_MASK_BYTES)
    try:
        shape = tuple(int(side) for side in arrays["shape"])
        bits = np.unpackbits(arrays["bits"], count=int(np.prod(shape)))
        return np.asarray(bits.reshape(shape) * 255, dtype=np.uint8)
    except (KeyError, ValueError) as error:
        raise BadInputError(
            f"{masks_file(folder, window)} is damaged.", "Delete it and run `ex4d train prepare` again."
        ) from error


@dataclass(frozen=True)
class Dataset:
    """A prepared folder.

    Attributes:
        folder: of the dataset.
        settings: that it was made with.
        windows: in a fixed order.
        rejected: how many windows were left out, by reason.
    """

    folder: Path
    settings: DatasetSettings
    windows: tuple[Window, ...]
    rejected: Mapping[str, int]

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Read its file.

        Raises:
            BadInputError: it is none, is not whole, or is of another version.
        """
        try:
            record = json.loads((folder / DATASET_FILE).read_text(encoding="utf-8"))
            windows = tuple(Window(**{**entry, "path": Path(entry["path"])}) for entry in record["windows"])
            found = cls(folder, DatasetSettings.from_record(record["settings"]), windows, record["rejected"])
            known = record["format"] == _FORMAT and record["version"] == _VERSION
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise BadInputError(
                f"{folder} is no prepared folder of this version.", "Make it with `ex4d train prepare`."
            )
        return found

    def record(self) -> dict[str, Any]:
        """For its file."""
        windows = [{**asdict(window), "path": str(window.path)} for window in self.windows]
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "settings": self.settings.record(),
            "windows": windows,
            "rejected": dict(self.rejected),
        }

    @cached_property
    def fingerprint(self) -> str:
        """Hash of settings and windows: another one when a run would see other data."""
        names = [(window.name, window.caption) for window in self.windows]
        text = json.dumps([self.settings.record(), names, _VERSION], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def check(self) -> None:
        """Read all masks and look for all videos.

        Raises:
            BadInputError: something is missing or damaged; the first of it is named.
        """
        if not self.windows:
            raise BadInputError(f"{self.folder} holds no clips.", "Prepare it from longer videos in which things move.")
        wanted = (self.settings.variants, self.settings.frames, *self.settings.size[::-1])
        for window in self.windows:
            if read_masks(self.folder, window).shape != wanted:
                raise BadInputError(
                    f"{masks_file(self.folder, window)} has masks of another shape.",
                    "Delete it and run `ex4d train prepare` again.",
                )
        for path in sorted({window.path for window in self.windows}):
            if not path.is_file():
                raise BadInputError(f"The video {path} is gone.", "Bring it back, or prepare the data again.")

    def split(self, share: float) -> tuple[list[Window], list[Window]]:
        """Windows to train on and windows that are held out: whole videos, by their hashes, so that no video is in
        both and more data leaves those that were held out so.

        With a share above 0 at least one video is held out, where there are two.
        """
        place = {window.video: int(window.video[:8], 16) / 2**32 for window in self.windows}
        held = {video for video, at in place.items() if at < share}
        if share > 0 and not held and len(place) > 1:
            held = {min(place, key=lambda video: place[video])}
        if len(held) == len(place) and len(place) > 1:
            held.remove(max(held, key=lambda video: place[video]))
        elif len(held) == len(place):
            held = set()
        return (
            [window for window in self.windows if window.video not in held],
            [window for window in self.windows if window.video in held],
        )
