# SPDX-License-Identifier: Apache-2.0
"""The values of requests: their defaults, their ranges and how they are read from text, one place each. Command line,
service and Blender take them from here."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from ex4d.protocol.errors import UsageError
from ex4d.protocol.parsing import fraction_from

#: Number of a movie's first frame where nobody says another.
FIRST_FRAME = 1001
#: Frames per second, both included.
MIN_RATE, MAX_RATE = Fraction(1, 100), 1000
#: Width of a pixel divided by its height, both included.
MIN_PIXEL_ASPECT, MAX_PIXEL_ASPECT = Fraction(1, 8), 8
#: Handle frames on each side.
MAX_HANDLES = 10_000
#: Sides of pictures, pixels, from 1.
MAX_SIDE = 65536
#: A pivot lies so far from the camera, in world units: what is farther is sky.
MIN_PIVOT, MAX_PIVOT = 1e-9, 1e9
#: Fields of view over the longer side, degrees, both included.
MIN_FOV_DEG, MAX_FOV_DEG = 1.0, 170.0
#: The one that is assumed when nobody knows it: the released EX-4D's 500 px at 512 (54.2°).
DEFAULT_FOV_DEG = math.degrees(2 * math.atan(512 / 2 / 500))
#: Seeds start at 0; JSON's numbers are exact up to here.
MAX_SEED = (1 << 53) - 1

#: Smallest interior angle of a face that counts as surface, degrees (released recon.py, ``min_angle_deg``); from 0 to
#: below that of an equilateral triangle.
MIN_ANGLE_DEG = 2.5
ANGLE_LIMIT_DEG = 60.0
#: Largest ratio of the z-depths inside one face, above 1. The angle rule alone lets jumps through where pixels are wide
#: (at a focal length of 100 px it tolerates 23 % from one pixel to the next).
MAX_DEPTH_RATIO = 1.15
#: How deep a thing is thought to be, as a share of its width in the picture, 0 or more. Of 0 to 2, tried on scenes with
#: known truth, the mask is best between 0.5 and 1 (docs/quality.md); more makes holes larger.
THICKNESS = 1.0
#: Vertices along the longer side of the mesh's grid at most. 4096 keeps the index buffer of the largest mesh below
#: 200 MB.
MAX_GRID_SIDE = 4096
MIN_GRID_SIDE = 2

#: Vertices along the longer side of a viewport's mesh.
VIEWPORT_SIDE = 512
MIN_VIEWPORT_SIDE, MAX_VIEWPORT_SIDE = 16, 4096

#: Compression blurs the edge between a render and its black holes by about this many pixels, which are taken off.
MASK_EROSION = 2
MAX_MASK_EROSION = 64

#: What becomes of values beyond black and white of a limited-range movie.
OverRange = Literal["clip", "keep"]
#: The matrix of a movie's luma and chroma, as FFmpeg's filter scale names it; "auto" = what the movie says, else what
#: is usual.
ColourMatrix = Literal["auto", "bt601", "bt709", "bt2020"]
#: Luma codes of a movie's black and white: 16 and 235 of 8 bits ("limited"), or the lowest and the highest ("full");
#: "auto" = what the movie says, else limited.
ColourRange = Literal["auto", "limited", "full"]
#: What takes of a plate with a lens are drawn through.
TakeLens = Literal["plate", "none"]
#: What the pictures of plates hold whose values are codes of a curve.
CodesAs = Literal["linear", "codes"]
ExrCompression = Literal["zip", "piz"]
#: Movies for editing.
EditMovie = Literal["prores422hq", "prores4444", "h265"]

#: Lets the backend choose: a depth estimator, a rasterizer, a pivot.
AUTOMATIC = "auto"
#: Measures depth where the source camera moves.
PARALLAX = "parallax"
#: How a source camera may be said to move.
SourceCameraKind = Literal["auto", "still", "turns", "moves"]
#: What fills where nothing is named: it works everywhere.
DEFAULT_GENERATOR = "preview"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_RANGE = re.compile(r"\s*(?P<first>-?[0-9]{1,9})\s*(?P<dash>-\s*(?P<last>-?[0-9]{1,9})?)?\s*")


def shot_folder_of_frames(folder: str, first: int, last: int) -> str:
    """Where the shot of frames ``first`` to ``last`` of a plate that cuts lies: beside the folder of the whole plate's
    shot, NAME-FIRST-LAST."""
    path = Path(folder).absolute()
    return str(path.with_name(f"{path.name}-{first}-{last}"))


@dataclass(frozen=True)
class FrameRange:
    """Frame numbers ``start`` to ``stop``, half-open; without ``stop`` to the plate's end. They may be negative.

    Raises:
        ValueError: the range is empty.
    """

    start: int
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"the frame range {self.start} to {self.stop}, half-open, is empty")

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Closed text -> range: ``1001-1049``, ``1001`` for one frame, ``1001-`` to the end, ``-4--1`` below 0.

        Raises:
            UsageError: any other text, or a range that runs backwards.
        """
        found = _RANGE.fullmatch(text)
        if not found:
            raise UsageError(f"'{text}' is not a frame range.", "Write it like 1001-1049, 1001- or 1001.")
        first = int(found["first"])
        if not found["dash"]:
            return cls(first, first + 1)
        if not found["last"]:
            return cls(first)
        last = int(found["last"])
        if last < first:
            raise UsageError(f"The frame range {text.strip()} runs backwards.", f"Write it as {last}-{first}.")
        return cls(first, last + 1)

    def __contains__(self, number: int) -> bool:
        return self.start <= number and (self.stop is None or number < self.stop)

    def __str__(self) -> str:
        """Closed text that `parse` reads."""
        if self.stop is None:
            return f"{self.start}-"
        return str(self.start) if self.stop == self.start + 1 else f"{self.start}-{self.stop - 1}"


def padded_number(number: int, width: int) -> str:
    """A frame number with at least so many digits, ``-0004``: the sign counts for none."""
    return f"{'-' if number < 0 else ''}{abs(number):0{width}d}"


def picture_numbers(numbers: Sequence[int]) -> tuple[int, ...]:
    """The numbers in the names of pictures that 3D programs show as textures: the frames' own, or counted from 1 where
    one is below 0, as Blender shows no such file."""
    return tuple(numbers) if min(numbers, default=0) >= 0 else tuple(range(1, len(numbers) + 1))


def parse_rate(text: str) -> Fraction:
    """Frames per second from ``24``, ``23.976`` or ``24000/1001``; raises UsageError."""
    try:
        rate = fraction_from(text)
    except ValueError:
        rate = Fraction(0)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UsageError(f"The frame rate «{text[:40]}» is not understood.", "Give a number such as 24 or 24000/1001.")
    # 23.976 and its kin stand for a rate over 1001.
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return ntsc if rate.denominator != 1 and abs(rate - ntsc) < Fraction(1, 1000) else rate


def parse_pixel_aspect(text: str) -> Fraction:
    """Width of a pixel divided by its height from ``2``, ``1.8`` or ``4/3``; raises UsageError."""
    try:
        aspect = fraction_from(text)
    except ValueError:
        aspect = Fraction(0)
    if not MIN_PIXEL_ASPECT <= aspect <= MAX_PIXEL_ASPECT:
        raise UsageError(f"The pixel aspect «{text[:40]}» is not understood.", "Give a number such as 2, 1.8 or 4/3.")
    return aspect


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) from ``1280x720``; raises UsageError."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(re.fullmatch("[0-9]{1,5}", part) and 0 < int(part) <= MAX_SIDE for part in parts):
        raise UsageError(f"The size «{text}» is not understood.", "Give width x height in pixels, such as 1280x720.")
    return int(parts[0]), int(parts[1])


def check_size(size: tuple[int, int]) -> None:
    """Raise UsageError for a (width, height) that no picture has."""
    width, height = size
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise UsageError(
            f"A size of {width}x{height} pixels is not possible.", f"Give 1 to {MAX_SIDE} pixels for each side."
        )


def parse_pivot(text: str) -> tuple[float, float, float] | None:
    """The pivot in the base camera's coordinates (OpenCV axes, world units) from ``2.5``, a distance along the optical
    axis, or ``x,y,z``; None for ``auto``.

    Raises:
        UsageError: not understood.
    """
    if text == AUTOMATIC:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers = [0.0, 0.0, *numbers]
    if len(numbers) != 3 or not all(abs(number) <= MAX_PIVOT for number in numbers) or numbers[2] < MIN_PIVOT:
        raise UsageError(
            f"The pivot «{text}» is not understood.",
            "Use auto, a distance such as 2.5, or a point x,y,z before the camera.",
        )
    return numbers[0], numbers[1], numbers[2]


def check_fov(degrees: float) -> None:
    """Raise UsageError for a field of view that no lens has."""
    if not MIN_FOV_DEG <= degrees <= MAX_FOV_DEG:
        raise UsageError(f"A field of view of {degrees:g}° is not possible.", "Give 1 to 170 degrees.")


def check_lens(focal_mm: float | None, sensor_mm: float | None, fov_deg: float | None) -> None:
    """Raise UsageError for a focal length and a sensor that no lens has, that lack each other, or that stand beside a
    field of view."""
    if focal_mm is None and sensor_mm is None:
        return
    if focal_mm is None or sensor_mm is None:
        raise UsageError(
            "A focal length counts on the sensor's width.", "Give both, --focal MM and --sensor MM, or --fov DEGREES."
        )
    if fov_deg is not None:
        raise UsageError("The lens is given twice.", "Give --fov, or --focal and --sensor.")
    if not (0 < focal_mm < math.inf and 0 < sensor_mm < math.inf):
        raise UsageError("A focal length or a sensor's width is not possible.", "Give millimetres above 0.")
    check_fov(math.degrees(2 * math.atan(sensor_mm / 2 / focal_mm)))


def check_mesh(min_angle: float, max_depth_ratio: float, thickness: float, max_grid_side: int) -> None:
    """Raise UsageError for thresholds of the mesh that are out of range."""
    possible = 0 <= min_angle < ANGLE_LIMIT_DEG and 1 < max_depth_ratio < math.inf and thickness >= 0
    if not possible or max_grid_side < MIN_GRID_SIDE:
        raise UsageError(
            "A threshold of the mesh is out of range.",
            "--min-angle takes 0 to 60, --max-depth-ratio more than 1, --thickness 0 or more, --mesh-grid at least 2.",
        )


def check_viewport_side(side: int) -> None:
    """Raise UsageError for a viewport mesh of too few or too many vertices."""
    if not MIN_VIEWPORT_SIDE <= side <= MAX_VIEWPORT_SIDE:
        raise UsageError(
            f"A viewport mesh of {side} vertices is out of range.",
            f"Choose {MIN_VIEWPORT_SIDE} to {MAX_VIEWPORT_SIDE}.",
        )


def check_seed(seed: int) -> None:
    """Raise UsageError for a seed that is out of range."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"The seed {seed} is out of range.", f"Use a number from 0 to {MAX_SEED}.")


def check_mask_erosion(pixels: int) -> None:
    """Raise UsageError for more pixels than a mask has at its edges."""
    if not 0 <= pixels <= MAX_MASK_EROSION:
        raise UsageError(f"The mask can be eroded by 0 to {MAX_MASK_EROSION} pixels.", "Give a number in that range.")


def check_handles(count: int) -> None:
    """Raise UsageError for a number of handle frames that is out of range."""
    if not 0 <= count <= MAX_HANDLES:
        raise UsageError(f"{count} handle frames are not possible.", f"Give 0 to {MAX_HANDLES}.")


def check_choice(value: str | None, choices: Sequence[str | None], what: str) -> None:
    """Raise UsageError for a value that is none of the choices."""
    if value not in choices:
        named = ", ".join(choice for choice in choices if choice is not None)
        raise UsageError(f"«{value}» is no choice for {what}.", f"Use one of {named}.")


def check_name(name: str, what: str) -> None:
    """Raise UsageError for a name that no generator, estimator or rasterizer can have."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"«{name[:40]}» is no name of a {what}.", "Use one that the backend offers; `ex4d doctor` lists them."
        )
