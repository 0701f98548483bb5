# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shot's record must have, which scene frames show which plate frames, what a take of it may be. No Blender."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.parsing import fraction_from, parse_json
from ex4d.protocol.results import SourceCameraInfo

#: The last frame a Blender scene can have.
LAST_FRAME = 1048574
#: A take's picture: 16K by 8K. Textures and encoders end there, and a frame of it takes gigabytes on its way.
MAX_SIDE, MAX_PIXELS = 16384, 16384 * 8192


@dataclass(frozen=True)
class ShotTiming:
    """Which scene frame shows which frame of the plate.

    Attributes:
        first_frame: the scene frame of the plate's first picture.
        numbers: the plate's own frame numbers, rising by one.
    """

    first_frame: int
    numbers: tuple[int, ...]

    @property
    def frames(self) -> range:
        """The scene frames of the plate's pictures."""
        return range(self.first_frame, self.first_frame + len(self.numbers))

    @property
    def offset(self) -> int:
        """Scene frame minus plate frame number."""
        return self.first_frame - self.numbers[0]

    def number_at(self, frame: int) -> int:
        """The plate's frame number that is shown at a scene frame."""
        return frame - self.offset

    def frame_of(self, number: int) -> int:
        """The scene frame that shows the plate's frame number."""
        return number + self.offset

    def clipped_frames(self, first: int, last: int) -> range:
        """Those of a closed range of scene frames that are the plate's; empty where none are."""
        frames = self.frames
        return range(max(first, frames.start), min(last + 1, frames.stop))

    def chosen_frames(self, first: int, last: int) -> tuple[list[int], str]:
        """A closed range of scene frames -> each of them, and the plate's own range as text, ``1001-1020``.

        Raises:
            BadInputError: they are not all the plate's.
        """
        frames = self.frames
        if first > last or first not in frames or last not in frames:
            raise BadInputError(
                f"Frames {first}-{last} are not all within the plate's, {frames[0]}-{frames[-1]}.",
                "Choose frames of the plate, or generate all.",
            )
        return list(range(first, last + 1)), f"{self.number_at(first)}-{self.number_at(last)}"


def source_camera_of(record: Mapping[str, Any]) -> SourceCameraInfo | None:
    """What a shot's record tells of its source camera's solve; None where it was not solved.

    Raises:
        UsageError: the record is damaged.
    """
    told = record.get("source_camera")
    return from_record(SourceCameraInfo, told, "source camera", lenient=True) if told is not None else None


def check_record(record: Mapping[str, Any]) -> None:
    """Raise BadInputError for a shot's record that lacks what is read of it."""
    try:
        plate = record["plate"]
        usable = (
            isinstance(record["shot"], str)
            and isinstance(record["viewport"], str)
            and isinstance(record["source"], str)
            and isinstance(record.get("solve", ""), str)
            and fraction_from(plate["fps"]) > 0
            and min(int(plate["width"]), int(plate["height"])) > 0
            and 0 < float(record["pivot"]) < math.inf
            and 0 < float(record["far"]) < math.inf
            and isinstance(plate["numbers"], list)
            and len(plate["numbers"]) > 0
            and all(isinstance(number, int) for number in plate["numbers"])
        )
        source_camera_of(record)
    except (UsageError, AttributeError, KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError):
        usable = False
    if not usable:
        raise BadInputError("The shot's record lacks a value.", "Reconstruct the shot again.")


@lru_cache(maxsize=64)
def parsed_record(text: str) -> dict[str, Any]:
    """A shot's record as its root keeps it; read whenever the shot is looked up. Callers copy what they change.

    Raises:
        ValueError: it is no JSON.
        TypeError: it is no object.
    """
    return dict(parse_json(text))


@lru_cache(maxsize=64)
def is_whole_record(text: str) -> bool:
    """Whether a record as its root keeps it has all that is read of it."""
    try:
        check_record(parsed_record(text))
    except (BadInputError, TypeError, ValueError):
        return False
    return True


def first_frame_of(
    wanted: int | None, former: int | None, numbers: list[int], handles: tuple[int, int] = (0, 0)
) -> int:
    """The scene frame of a plate's first picture: as wanted, else as before, else the plate's own number, or 1 where
    that is negative: scenes begin at 0. Handles may lie before.

    Raises:
        BadInputError: no scene has frames there.
    """
    own = numbers[0] if numbers[0] + handles[0] >= 0 else 1 - handles[0]
    start = wanted if wanted is not None else former if former is not None else own
    if not -handles[0] <= start <= LAST_FRAME - len(numbers):
        raise BadInputError(
            f"The plate's frame {start} lies beyond what a Blender scene can show, {LAST_FRAME}.",
            "Choose another first frame for the shot in the scene.",
        )
    return start


def is_same_plate(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two records are of plates with the same content, wherever these lie."""
    content = other["plate"].get("sha256")
    return content is not None and one["plate"].get("sha256") == content


def moved_record(record: Mapping[str, Any], folder: str, viewport: Path) -> dict[str, Any]:
    """A record whose viewport folder is now at ``viewport``, and all that lay in the shot's folder beside it as it was.

    Args:
        folder: of the shot, until now.
    """
    moved, old = dict(record), Path(folder)
    try:
        inner = Path(record["viewport"]).relative_to(old).parts
    except ValueError:
        inner = ()
    moved["viewport"] = str(viewport)
    if inner and viewport.parts[-len(inner) :] == inner:
        new = Path(*viewport.parts[: -len(inner)])
        if Path(record["source"]).is_relative_to(old):
            moved["source"] = str(new / Path(record["source"]).relative_to(old))
        if Path(record.get("solve", "")).is_relative_to(old):
            moved["solve"] = str(new / Path(record["solve"]).relative_to(old))
        moved["shot"] = str(new)
    return moved


def check_take_size(width: int, height: int) -> None:
    """Raise BadInputError for a render size in pixels that no take can have; said before hours of work."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadInputError(
            f"The scene renders {width}x{height} pixels; a take has {MAX_SIDE} along a side and "
            f"{MAX_PIXELS // 10**6} million at most.",
            "Match the scene to the plate, or set a smaller resolution or percentage.",
        )


def path_text(
    path: str,
    *,
    amount: float | None = None,
    seconds: float | None = None,
    level: bool = False,
    frame: int | None = None,
) -> str:
    """What a take makes of the source camera's path, as ``ex4d.camera.parse_preset`` reads it before a move.

    Args:
        path: "source" as it is, "stabilise", or "lock".
        amount, seconds: how far "stabilise" smooths, 0..1 or a time; both None: as much as usual.
        level: whether it levels the horizon.
        frame: of "lock": the plate's frame number; None: the first.

    Returns:
        "" for the path as it is.
    """
    if path == "stabilise":
        by = f":{seconds:g}s" if seconds is not None else f":{amount:g}" if amount is not None else ""
        return f"stabilise{by}{',level' if level else ''}"
    return "" if path != "lock" else "lock" if frame is None else f"lock:{frame}"


def on_path(path: str, move: str) -> str:
    """A move that rides on a path, both as texts; "" = the source camera's own path."""
    return f"{path}+{move}" if path else move


def move_text(move: str, *, amount: float | None, ease: str | None) -> str:
    """A move of the menu as ``ex4d.camera.parse_preset`` reads it.

    Args:
        move: its name; the released EX-4D's camera paths are numbers, which take nothing else.
        amount: None: the one that the move comes with. ``hold`` has none.
        ease: None: the easing that the move comes with.
    """
    if move.isdigit():
        return move
    if amount is not None and move != "hold":
        move += f":{amount:g}"
    if ease is not None:
        move += f",ease={ease}"
    return move
