# SPDX-License-Identifier: Apache-2.0
"""What a generator says of itself: its names, what can be chosen, what its files are, what it is shown of a take. Known
without torch: menus, help and errors come at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ex4d.fill.base import Generator
from ex4d.models.file_spec import FileSpec
from ex4d.protocol.capabilities import GeneratorInfo, OptionInfo, OptionValue

#: The options that were given, by name; a name that is missing was not chosen.
Options = Mapping[str, OptionValue]


@dataclass(frozen=True)
class FrameRule:
    """How many frames a generator makes at once: ``first`` and then ``step`` for each further group.

    Attributes:
        step, first: 4 and 1 for 4k+1 frames; 1 and 1 for any number.
        most: at once.
        trained: length of the clips that it was trained on.
    """

    step: int
    first: int
    most: int
    trained: int

    def padded(self, frames: int) -> int:
        """The number of frames to make for a take of so many: the next that the rule allows."""
        return -(-max(frames - self.first, 0) // self.step) * self.step + self.first

    def groups(self, frames: int) -> int:
        """Latent frames of a take of so many."""
        return (self.padded(frames) - self.first) // self.step + 1


@dataclass(frozen=True)
class SizeRule:
    """The sizes that a generator works at.

    Attributes:
        multiple: of both sides, pixels.
        trained_side: side of the squares that it was trained on, pixels.
    """

    multiple: int
    trained_side: int

    def allows(self, size: tuple[int, int]) -> bool:
        """Whether it is such a size (width, height)."""
        return all(side >= self.multiple and not side % self.multiple for side in size)

    def near(self, size: tuple[int, int]) -> tuple[int, int]:
        """The allowed size next to another one."""
        width, height = (max(1, round(side / self.multiple)) * self.multiple for side in size)
        return width, height

    def best(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) for a take: about as many pixels as in training, in the take's aspect."""
        area = float(self.trained_side**2)
        ideal = (area * width / height) ** 0.5
        best = max(self.multiple, round(ideal / self.multiple) * self.multiple)
        other = max(self.multiple, round(best * height / width / self.multiple) * self.multiple)
        return best, other


@dataclass(frozen=True)
class Conditioning:
    """What a generator is shown of a take.

    Attributes:
        frames, size: of a clip.
        hole_color: RGB in [0, 1] that stands where nothing is known.
        mask_hole, mask_known: values of the mask where pixels are to be filled, and where they are known.
        mask_fold: how the mask becomes latents: "vae" encodes it like a picture; a number is that of the channels into
            which the pixels under one latent are folded; None = there is no mask.
        source_first: whether the first frame has to be the source view.
        motion_mask: whether it wants to know what moves by itself.
        caption: whether it is told what the shot shows, in words: by the option ``prompt``.
    """

    frames: FrameRule
    size: SizeRule
    hole_color: tuple[float, float, float]
    mask_hole: float
    mask_known: float
    mask_fold: Literal["vae"] | int | None
    source_first: bool = False
    motion_mask: bool = False
    caption: bool = False

    def mask_channels(self, latent_channels: int) -> int:
        """Channels of the mask among the latents, where those of a picture have ``latent_channels``."""
        return latent_channels if self.mask_fold == "vae" else self.mask_fold or 0


@dataclass(frozen=True)
class GeneratorSpec:
    """One folder of ``ex4d.fill``.

    Attributes:
        infos: its profiles; each is a generator to those who choose one.
        create: makes the one of a name, with options and places of models; raises UsageError for what it cannot use.
        check: raises UsageError for values that none of its profiles can use, in words of its own; types and ranges of
            ``OptionInfo`` are checked without it.
        takes: what it is shown of a take; None = a take as it is.
        files: of its model; None = it has none.
        missing_files: parts of its model that are not in these places; raises Ex4dError where that cannot be told.
        spelled_otherwise: options that the command line has under another name (``commands.released``).

    Raises (when made):
        ValueError: it asks for what no take has.
    """

    infos: tuple[GeneratorInfo, ...]
    create: Callable[[str, Options, tuple[Path, ...]], Generator]
    check: Callable[[Options], None] = lambda _options: None
    takes: Conditioning | None = None
    files: FileSpec | None = None
    missing_files: Callable[[Sequence[Path]], list[str]] = lambda _places: []
    spelled_otherwise: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.takes is not None and self.takes.motion_mask:
            raise ValueError("a take has no mask of what moves by itself")
        silent = [info.name for info in self.infos if not any(option.name == "prompt" for option in info.options)]
        if self.takes is not None and self.takes.caption and silent:
            raise ValueError(f"{', '.join(silent)}: a caption comes by the option «prompt», which is missing")

    @property
    def options(self) -> dict[str, OptionInfo]:
        """Of all profiles, by name."""
        return {option.name: option for info in self.infos for option in info.options}
