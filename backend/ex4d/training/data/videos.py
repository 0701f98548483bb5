# SPDX-License-Identifier: Apache-2.0
"""Which videos there are to train on: a folder, or a manifest with captions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ex4d.protocol.errors import BadInputError

#: Files in a folder that are taken for videos.
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".mxf")
MANIFESTS = (".jsonl", ".csv", ".txt")


@dataclass(frozen=True)
class Video:
    """A video to train on.

    Attributes:
        path: of its file.
        caption: what is seen in it; empty where nobody says.
    """

    path: Path
    caption: str = ""


def find_videos(place: Path) -> list[Video]:
    """All videos of a folder and its subfolders, or of a manifest, in a fixed order, each file once.

    A manifest is a file of lines: ``.jsonl`` with {"video": PATH, "caption": TEXT}, ``.csv`` with columns of these
    names (as OpenVid's lists have), ``.txt`` with a path a line. Paths are relative to the manifest.

    Raises:
        BadInputError: the place is neither, or it names no videos.
    """
    if place.is_dir():
        paths = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        hidden = [any(part.startswith(".") for part in path.relative_to(place).parts) for path in paths]
        found = [Video(path) for path, left_out in zip(paths, hidden, strict=True) if not left_out]
    elif place.is_file() and place.suffix.lower() in MANIFESTS:
        found = list(_manifest(place))
    else:
        raise BadInputError(
            f"{place} is neither a folder of videos nor a manifest.", f"A manifest ends in {', '.join(MANIFESTS)}."
        )
    unique = list({video.path.resolve(): video for video in found}.values())
    if not unique:
        raise BadInputError(f"There are no videos in {place}.", f"Videos end in {', '.join(SUFFIXES)}.")
    return unique


def _manifest(path: Path) -> Iterator[Video]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"The manifest {path} cannot be read: {error}.", "Save it as UTF-8 text.") from error
    if path.suffix.lower() == ".csv":
        yield from (_video(row, path, number) for number, row in enumerate(csv.DictReader(lines), 2))
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if path.suffix.lower() == ".txt":
            yield Video(path.parent / line.strip())
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _bad_line(path, number) from error
        yield _video(row, path, number)


def _video(row: object, path: Path, number: int) -> Video:
    if not isinstance(row, dict) or not isinstance(row.get("video"), str) or not row["video"]:
        raise _bad_line(path, number)
    caption = row.get("caption") or ""
    if not isinstance(caption, str):
        raise _bad_line(path, number)
    return Video(path.parent / row["video"], caption.strip())


def _bad_line(path: Path, number: int) -> BadInputError:
    return BadInputError(
        f"Line {number} of the manifest {path} names no video.", "Each line needs a «video», and may have a «caption»."
    )
