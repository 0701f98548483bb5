# SPDX-License-Identifier: GPL-3.0-or-later
"""Render and edit all clips of a list: python -m tools.scenes.make_clips LIST --out FOLDER [--only GROUP]

A list is text. ``[GROUP] SETTINGS`` begins a group; ``NAME = SCENE SETTINGS`` is a scene of make_groundtruth, its plate
alone, with settings such as ``size=256 fov=40`` beside those of its group; ``NAME = GROUP/NAME EDITS`` is an earlier
clip, edited as edit_clip does (``cut:GROUP/NAME`` goes on with another clip). ``#`` begins a comment. Each clip is the
scene FOLDER/GROUP/NAME. Interrupted, it goes on where it was. With --only the clips that these are made of have to be
there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tools.scenes.make_groundtruth import FAMILIES, FULL, SHOTS, Setting, blender_python, render_scene, use_environment


@dataclass(frozen=True)
class Rendered:
    """A clip that is rendered.

    Attributes:
        name: GROUP/NAME.
        scene: a family or shot of make_groundtruth.
        seed: of layout and textures.
        setting: size, length, lens.
    """

    name: str
    scene: str
    seed: int
    setting: Setting


@dataclass(frozen=True)
class Edited:
    """A clip that is made of another one.

    Attributes:
        name, source: GROUP/NAME.
        edits: as edit_clip has them.
    """

    name: str
    source: str
    edits: tuple[str, ...]


Entry = Rendered | Edited


def read_list(path: Path) -> list[Entry]:
    """The clips of a list, each after those it is made of.

    Raises:
        ValueError: a line is none of the three kinds, or names a clip or scene that there is not.
    """
    entries: dict[str, Entry] = {}
    group, common = "", dict[str, str]()
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = text.partition("#")[0].strip()
        if not line:
            continue
        try:
            if line.startswith("["):
                group, _, settings = line[1:].partition("]")
                common = _settings(settings.split())
                continue
            entry = _entry(group, line, common, entries)
            entries[entry.name] = entry
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return list(entries.values())


def _entry(group: str, line: str, common: Mapping[str, str], earlier: Mapping[str, Entry]) -> Entry:
    own, _, words = line.partition("=")
    if not (group and words.split()):
        raise ValueError("it is not NAME = SCENE SETTINGS or NAME = GROUP/NAME EDITS below a [GROUP]")
    name, (source, *rest) = f"{group}/{own.strip()}", words.split()
    if name in earlier:
        raise ValueError(f"there are two clips {name}")
    if "/" in source:
        cuts = [word.partition(":")[2] for word in rest if word.startswith("cut:")]
        missing = [clip for clip in (source, *cuts) if clip not in earlier]
        if missing or not rest:
            raise ValueError(f"there is no clip {missing[0]} before it" if missing else "it has no edits")
        return Edited(name, source, tuple(rest))
    if source not in FAMILIES + SHOTS:
        raise ValueError(f"there is no scene {source}")
    given = {**common, **_settings(rest)}
    seed = int(given.pop("seed", "1"))
    kinds = {field.name: float if field.name == "fov" else int for field in fields(Setting)}
    return Rendered(name, source, seed, replace(FULL, **{key: kinds[key](value) for key, value in given.items()}))


def _settings(words: Sequence[str]) -> dict[str, str]:
    pairs = {key: value for key, _, value in (word.partition("=") for word in words)}
    unknown = set(pairs) - {"seed", *(field.name for field in fields(Setting))}
    if unknown:
        raise ValueError(f"there is no setting {min(unknown)}")
    return pairs


def of_groups(entries: Sequence[Entry], groups: Sequence[str]) -> list[Entry]:
    """Those of these groups, of all where none are given.

    Raises:
        ValueError: there is no such group.
    """
    of = [entry.name.partition("/")[0] for entry in entries]
    if absent := set(groups) - set(of):
        raise ValueError(f"there is no group {min(absent)}; use one of {', '.join(dict.fromkeys(of))}")
    return [entry for entry, group in zip(entries, of, strict=True) if not groups or group in groups]


def edit(entry: Edited, out: Path) -> None:
    """Make an edited clip below ``out``, where it is not there already."""
    from tools.scenes.truth.edits import parse, read, write

    record, folder = {"of": entry.source, "edits": list(entry.edits)}, out / entry.name
    try:
        there = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = {}
    if record.items() <= there.items():
        return
    if folder.exists():
        # Of other edits, or half-written.
        shutil.rmtree(folder)
    clip = read(out / entry.source)
    for text in entry.edits:
        kind, _, values = text.partition(":")
        clip = parse(f"cut:{out / values}" if kind == "cut" else text)(clip)
    write(clip.noted(**record), folder)
    print(f"{entry.name}: {len(clip)} frames of {clip.width}x{clip.height}", flush=True)


def make_clips(entries: Sequence[Entry], out: Path, workers: int) -> None:
    """Render and edit them below ``out``, so many at a time."""
    rendered = [entry for entry in entries if isinstance(entry, Rendered)]
    if rendered:
        python, threads = blender_python(), max(1, (os.cpu_count() or 1) // workers)
        with ThreadPoolExecutor(workers) as pool:
            jobs = [
                pool.submit(
                    render_scene, python, out / entry.name, entry.scene, entry.seed, entry.setting, threads, {}, 1
                )
                for entry in rendered
            ]
            for job in jobs:
                job.result()
    for entry in entries:
        if isinstance(entry, Edited):
            edit(entry, out)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the groups")
    parser.add_argument("--only", action="append", default=[], metavar="GROUP", help="make these groups alone")
    parser.add_argument("--workers", type=int, default=2, help="clips rendered at a time; default %(default)s")
    args = parser.parse_args()
    use_environment("tools.scenes.make_clips")
    from ex4d.protocol.errors import BadInputError

    try:
        make_clips(of_groups(read_list(args.list), args.only), args.out.resolve(), max(1, args.workers))
    except (OSError, ValueError, BadInputError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
