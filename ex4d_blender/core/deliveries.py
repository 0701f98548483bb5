# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivered takes as they lie in a shot's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from ex4d.protocol.capabilities import OptionValue
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.parsing import fraction_from, parse_json
from ex4d.protocol.results import ColourInfo, GenerateResult
from ex4d.system.inputs import read_bytes

TAKE_FILE = "take.json"
#: Some hundred bytes a frame.
MAX_BYTES = 64 << 20
#: Those of sRGB too, in ITU-T H.273.
REC709_PRIMARIES = 1
#: Blender's timeline ends there.
LAST_FRAME = 1048574


@dataclass(frozen=True)
class FilledShares:
    """Where the filled pixels of a take come from, shares of them, 0..1.

    Attributes:
        other_frames: other frames of the plate show it.
        revealed: it was hidden behind something.
        never_covered: it lies outside the views of all frames.
    """

    other_frames: float
    revealed: float
    never_covered: float

    def text(self) -> str:
        """In words."""
        return (
            f"Of it {self.other_frames:.0%} from other frames, {self.revealed:.0%} revealed, "
            f"{self.never_covered:.0%} in no frame's view"
        )


@dataclass(frozen=True)
class DeliveredTake:
    """A take, delivered.

    Attributes:
        take: its name, such as v001.
        folder: where it is.
        numbers: of its frames, by the plate's own.
        coverage: share of each frame's pixels that show real source surface, 0..1.
        result, mask: folders of its pictures.
        color: folder of the render without fill; "" where none is known.
        profile, label: of what filled it.
        generated_mean: share of the pixels that are not measured, 0..1, of all frames.
        filled: where its filled pixels come from; None where nothing was filled, or nothing is written down.
        title: what it was called.
        seed, prompt, options: what the generator was told, None and none where nothing.
        trajectory: file of its camera; "" where none is known.
        fps: frames per second; None where none is written down.
        size: (width, height) in pixels; None where none is known.
        colour: of its pictures; None = ordinary display pictures.
        pixel_aspect: width of a pixel divided by its height.
        handles: how many of ``numbers`` are handles, at their begin and at their end.
        aov: folder of what compositors want besides; "" where there is none.
        edit_movie: file of the movie for editing; "" where there is none.
        created: when it was finished, as its record has it (ISO 8601, UTC); "" where it does not tell.
        move: of its camera, in words, such as orbit:30; "" where it was made by keys alone, or none is known.
        notes: what its record tells of it, whole sentences.
    """

    take: str
    folder: str
    numbers: tuple[int, ...]
    coverage: tuple[float, ...]
    result: str
    mask: str
    profile: str
    label: str
    generated_mean: float
    color: str = ""
    filled: FilledShares | None = None
    title: str = ""
    seed: int | None = None
    prompt: str | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    trajectory: str = ""
    fps: Fraction | None = None
    size: tuple[int, int] | None = None
    colour: ColourInfo | None = None
    pixel_aspect: Fraction = Fraction(1)
    handles: tuple[int, int] = (0, 0)
    aov: str = ""
    edit_movie: str = ""
    created: str = ""
    move: str = ""
    notes: tuple[str, ...] = ()

    @property
    def shot(self) -> Path:
        """The folder of its shot."""
        return Path(self.folder).parent.parent


def delivered_take(
    result: GenerateResult,
    *,
    title: str,
    seed: int | None,
    prompt: str | None,
    options: Mapping[str, OptionValue],
    move: str = "",
) -> DeliveredTake:
    """The take of a job that has just ended, with what it was asked for."""
    record = _record_in(Path(result.folder))
    return DeliveredTake(
        take=result.take,
        folder=result.folder,
        numbers=result.numbers,
        coverage=result.coverage,
        result=result.result,
        mask=result.mask,
        profile=result.profile,
        label=result.label,
        generated_mean=result.generated_mean,
        color=result.color,
        filled=_filled_of(record),
        title=title,
        seed=seed,
        prompt=prompt,
        options=options,
        fps=fraction_from(result.fps),
        size=result.size,
        colour=result.colour,
        pixel_aspect=fraction_from(result.pixel_aspect),
        handles=result.handles,
        aov=result.aov,
        edit_movie=result.edit_movie,
        created=created_of(record),
        move=move,
        notes=notes_of(record),
    )


def read_take(folder: Path) -> DeliveredTake:
    """A delivered take, as its record in the folder says.

    Raises:
        BadInputError: there is none.
    """
    try:
        record = parse_json(read_bytes(folder / TAKE_FILE, MAX_BYTES))
        numbers = [frame["frame"] for frame in record["frames"]]
        coverage = [1.0 - frame["generated"] for frame in record["frames"]]
        fill = record["fill"]
        _check_values(record, numbers)
        return DeliveredTake(
            take=folder.name,
            folder=str(folder),
            numbers=tuple(numbers),
            coverage=tuple(coverage),
            result=str(folder / "result"),
            mask=str(folder / "mask"),
            profile=fill["name"],
            label=fill["label"],
            generated_mean=record["generated_mean"],
            filled=filled_shares(record["frames"]),
            title=record.get("title", ""),
            seed=fill["seed"],
            prompt=fill.get("prompt"),
            trajectory=str(folder / record["trajectory"]),
            fps=fraction_from(record["fps"]) if "fps" in record else None,
            colour=colour_of(record),
            pixel_aspect=fraction_from(record.get("plate", {}).get("pixel_aspect", 1)),
            handles=_handles(record["frames"]),
            aov=str((folder / record["aov"]).parent) if record.get("aov") else "",
            edit_movie=str(folder / record["edit_movie"]) if record.get("edit_movie") else "",
            created=created_of(record),
            move=move_of(record),
            notes=notes_of(record),
        )
    except (BadInputError, UsageError, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadInputError(f"{folder} holds no finished take.", "Choose a folder such as takes/v001.") from error


def filled_shares(frames: Sequence[Mapping[str, Any]]) -> FilledShares | None:
    """Those of a take's frames as its record has them; None where nothing was filled, or an earlier version has not
    written them down."""
    names = ("of_it_from_other_frames", "of_it_revealed", "of_it_never_covered")
    if not all(name in frame for frame in frames for name in names):
        return None
    total = sum(float(frame["generated"]) for frame in frames)
    if not total > 0:
        return None
    return FilledShares(*(sum(frame["generated"] * float(frame[name]) for frame in frames) / total for name in names))


def _record_in(folder: Path) -> Mapping[str, Any]:
    """The record of a delivered take's folder; empty where it cannot be read."""
    try:
        found = parse_json(read_bytes(folder / TAKE_FILE, MAX_BYTES))
    except (BadInputError, OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _filled_of(record: Mapping[str, Any]) -> FilledShares | None:
    """Those of a delivered take's record; None where it does not tell."""
    try:
        return filled_shares(record["frames"])
    except (ValueError, KeyError, TypeError):
        return None


def created_of(record: Mapping[str, Any]) -> str:
    """When a take was finished, as its record has it; "" where it does not tell."""
    found = record.get("created")
    return found if isinstance(found, str) else ""


def notes_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What a take's record tells of it; none where that is damaged."""
    found = record.get("notes")
    return tuple(note for note in found if isinstance(note, str)) if isinstance(found, list) else ()


def move_of(record: Mapping[str, Any]) -> str:
    """The move of a take's camera, as its record has it; "" where it tells of none."""
    camera = record.get("camera")
    found = [camera.get(name) for name in ("preset", "move")] if isinstance(camera, Mapping) else []
    return next((move for move in found if isinstance(move, str)), "")


def colour_of(record: Mapping[str, Any]) -> ColourInfo | None:
    """The colour space that a record of a take or of its plate names, None of ordinary display pictures; raises
    UsageError where it is none."""
    found = record.get("colour")
    if found is None:
        return None
    colour = from_record(ColourInfo, found, "colour", lenient=True)
    # Takes' own records name the space of sRGB's primaries too; results of jobs leave it out.
    ordinary = colour.kind == "display" and found.get("primaries", 0) in (None, REC709_PRIMARIES)
    return None if ordinary else colour


def _handles(frames: list[dict[str, Any]]) -> tuple[int, int]:
    marked = [bool(frame.get("handle")) for frame in frames]
    if all(marked):
        return 0, 0
    return marked.index(False), marked[::-1].index(False)


def _check_values(record: dict[str, Any], numbers: list[Any]) -> None:
    """Raise ValueError where a value is of another kind than what Blender's properties and strips take."""
    fill = record["fill"]
    names = (fill["name"], fill["label"], fill.get("prompt") or "", record.get("title", ""), record["trajectory"])
    usable = (
        all(isinstance(name, str) for name in names)
        and len(numbers) > 0
        and all(isinstance(number, int) and abs(number) <= LAST_FRAME for number in numbers)
        and (fill["seed"] is None or isinstance(fill["seed"], int))
        and isinstance(record["generated_mean"], int | float)
        and fraction_from(record.get("fps", 1)) > 0
    )
    if not usable:
        raise ValueError("a value of another kind than a take has")
