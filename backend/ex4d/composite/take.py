# SPDX-License-Identifier: Apache-2.0
"""Stage 6: a take, the thing that is delivered: pictures, mask, movie, trajectory and a record of how it was made.

Takes are numbered v001, v002 … and never overwritten.
"""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d import __version__
from ex4d.camera import Camera, Trajectory, write_json
from ex4d.composite.adjust import AdjustedFill, FillAdjustments
from ex4d.composite.aov import TakeAovs
from ex4d.composite.coverage import fill_note, hole_shares
from ex4d.composite.headers import TakeHeaders
from ex4d.composite.outputs import output_inputs
from ex4d.composite.pixels import ResultPicture, ResultPictures
from ex4d.composite.result_files import ResultFiles
from ex4d.composite.take_index import listed, remember, take_number, takes_with
from ex4d.composite.take_movies import MovieMaker, sound_record
from ex4d.fill.background.store import BackgroundStore
from ex4d.fill.stage import FillStore
from ex4d.media.movie import MovieSound
from ex4d.plate.store import FrameStore
from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.requests import OutputRequest
from ex4d.protocol.seal import (
    DAMAGED_FILE,
    DONE_FILE,
    DamagedCacheError,
    NewerFormatError,
    open_ours,
    read_ours,
    read_seal,
)
from ex4d.raster.coverage import asked_cameras
from ex4d.raster.positions import PositionStore
from ex4d.raster.store import TRAJECTORY_FILE, RasterStore
from ex4d.stages.cache import claim, is_complete, run_in, work_folder, write_seal
from ex4d.stages.stage import Part, PartedWork, PartOutput, content_key, parts_of
from ex4d.stages.stage_files import hashed_seal
from ex4d.stages.turn import turn
from ex4d.system.files import atomic_write, make_folder, remove_tree, writing
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched

TAKE_FILE = "take.json"
TAKE_FORMAT = "ex4d-take"
#: The seal's first bytes, in which a take's key stands.
_SEAL_HEAD = 512
_SEALED_KEY = re.compile(rb'\A\{\s*"stage": "take",\s*"key": "([0-9a-f]{16})"')
#: Packages whose versions change pixels.
_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "av",
    "openexr",
    "opencolorio",
    "moderngl",
    "embreex",
    "torch",
    "diffusers",
    "transformers",
)


def take_folders(root: Path) -> list[Path]:
    """Everything that has a take's name, in order; raises TransientError where the folder cannot be listed."""
    found = [name for name in listed(root) if take_number(name) is not None]
    return [root / name for name in sorted(found, key=lambda name: int(name[1:]))]


def existing_takes(root: Path) -> dict[str, Path]:
    """Finished takes in a shot's ``takes`` folder, by name, in order; whether their contents are whole is not looked
    at."""
    return {path.name: path for path in take_folders(root) if is_complete(path)}


def find_take(root: Path, key: str, progress: Progress) -> Path | None:
    """The finished take that was made from the same inputs, all its files as they were delivered. One that is damaged
    is marked as such, with a note, and stays where it is.

    Raises:
        NewerFormatError: a newer version has written it.
        TransientError: the folder cannot be read.
    """
    for path in takes_with(root, key, _sealed_key):
        try:
            _check_version(path)
            hashed_seal(path).check()
        except DamagedCacheError as error:
            if path.exists():
                _mark_damaged(path, error.name)
                progress.note(
                    f"Take {path.name} was damaged ({error.name}); it is kept as it is, and the take is made again "
                    "under the next number."
                )
            continue
        return path
    return None


def _sealed_key(path: Path) -> str | None:
    """The key that a take was sealed with, found with as little reading as can be: of an old shot with hundreds each is
    looked at once."""
    try:
        with open_ours(path / DONE_FILE) as file:
            head = file.read(_SEAL_HEAD)
        if match := _SEALED_KEY.search(head):
            return match[1].decode()
        key = read_seal(path).record.get("key")
        return key if isinstance(key, str) else _recorded_key(path)
    except NewerFormatError:
        return None
    except (OSError, Ex4dError):
        # It was finished once, or is nobody's; one that is known to be damaged is told of no more.
        return None if (path / DAMAGED_FILE).exists() else _recorded_key(path)


def _recorded_key(path: Path) -> str | None:
    with suppress(OSError, ValueError, AttributeError):
        key = parse_json(read_ours(path / TAKE_FILE)).get("key")
        return key if isinstance(key, str) else None
    return None


def _check_version(path: Path) -> None:
    """Raise NewerFormatError for a record that this version does not know; other damage is the seal's to find."""
    record = None
    with suppress(OSError, ValueError):
        record = parse_json(read_ours(path / TAKE_FILE))
    match record:
        case {"format": "ex4d-take", "version": int(version)} if version > TakeJob.version:
            raise NewerFormatError(path / TAKE_FILE)


def _mark_damaged(path: Path, name: str) -> None:
    """Take a take's seal away; what it said stays in ``damaged.json``."""
    record: Any = None
    with suppress(OSError, ValueError):
        record = parse_json(read_ours(path / DONE_FILE))
    found = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # A folder that may not be written to is not handed out all the same.
    with suppress(OSError, Ex4dError):
        atomic_write(
            path / DAMAGED_FILE, json.dumps({"damaged": name, "found": found, "seal": record}, indent=1).encode()
        )
        (path / DONE_FILE).unlink(missing_ok=True)


def _next_name(root: Path) -> str:
    # Unfinished or damaged folders keep their number: nothing is ever written over. Where capitals make no other name
    # «V003» stands in the way of v003.
    taken = (take_number(name.lower()) for name in listed(root))
    return f"v{max((number for number in taken if number is not None), default=0) + 1:03d}"


def package_versions() -> dict[str, str]:
    """Versions of everything that changes pixels."""
    found = {"ex4d": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass
class TakeJob(PartedWork):
    """Composites a filled take and delivers it.

    Attributes:
        root: the shot's ``takes`` folder.
        frames: the plate.
        raster: the rendered take.
        fill: its filled frames.
        fill_key: key of the fill stage; with ``record`` it identifies the take.
        record: what the sidecar says of plate, camera, depth and mesh, JSON-able.
        adjustments: of a model's fill.
        output: what is delivered.
        positions: where on the plate its pixels were taken from; asked for where ``output`` wants AOVs.
        sound: of the plate, that goes into the movies; None = none.
        background: what other frames show in the holes; None where nobody has looked. ``fill_key`` counts it in.
        source: the plate's cameras, which tell what they never looked at; None = those of the take.
        measured: see ``TakeAovs``.
    """

    root: Path
    frames: FrameStore
    raster: Callable[[], RasterStore]
    fill: Callable[[], FillStore]
    fill_key: str
    record: Mapping[str, Any]
    adjustments: FillAdjustments = field(default_factory=FillAdjustments)
    output: OutputRequest = field(default_factory=OutputRequest)
    positions: Callable[[], PositionStore] | None = None
    sound: MovieSound | None = None
    background: BackgroundStore | None = None
    source: Trajectory | None = None
    measured: Callable[[int], NDArray[np.bool_] | None] | None = None

    name = "composite"
    version = 1
    weight = 2.0

    def key(self) -> str:
        """Hash of everything that changes the delivered pictures."""
        return content_key(
            {
                "stage": "take",
                "version": self.version,
                "fill": self.fill_key,
                **self.adjustments.inputs(),
                **(output_inputs(self.output, self.frames.truth) if self.output != OutputRequest() else {}),
            }
        )

    def ensure(self, progress: Progress) -> Path:
        """Folder of the take; made as the next version if there is none of the same inputs."""
        found = find_take(self.root, self.key(), progress)
        if found:
            progress.begin(self.name, None)
            progress.end(cached=True)
            return found
        make_folder(self.root)
        if self.output.aov:
            # A stage of its own, before this one begins.
            _ = self._files
        with (
            progress.stage(self.name, self.steps()),
            turn(self.root, label := f"take-{self.key()}", progress),
        ):
            if found := find_take(self.root, self.key(), progress):
                # Another process has delivered it meanwhile.
                return found
            return self._made(label, progress)

    def _made(self, label: str, progress: Progress) -> Path:
        with work_folder(self.root, label, self) as work, writing(self.root):
            names = run_in(work, self, progress)
            write_seal(work.seal({"stage": "take", "key": self.key()}, names))
            work.drop_part_seals()
            return self._claim_number(work.path, progress)

    def _claim_number(self, temporary: Path, progress: Progress) -> Path:
        """The folder's final name; that of another process's folder, where it has delivered the same take meanwhile."""
        while True:
            # In this order: whoever takes the number after it was chosen makes the claim fail.
            final = self.root / _next_name(self.root)
            if found := find_take(self.root, self.key(), progress):
                remove_tree(temporary)
                return found
            if claim(temporary, final):
                remember(final, self.key())
                return final

    def steps(self) -> int:
        """How many frames there are."""
        return len(self._rendered.numbers)

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``."""
        return parts_of(self.steps())

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``. The movie is of all frames in one: those of parts that are there already are read again
        and go into it as they are."""
        files = self._files
        for name in files.folders:
            make_folder(out / name)
        times = self.frames.times if self.frames.variable_rate else [None] * self.steps()
        # Fitted once, before threads ask for it.
        pictures = self._pictures
        with self._movies.open(out) as movies, BoundedPool() as pool:
            asked = iter(parts)
            waiting = next(asked, None)
            for part in self.parts():
                numbers, moments = self._rendered.numbers[part.start : part.stop], times[part.start : part.stop]
                if part != waiting:
                    ready = prefetched(lambda number: files.read(out, number), numbers)
                    for (pixels, alpha), moment in zip(ready, moments, strict=True):
                        movies.write(pixels, alpha, moment)
                        progress.check()
                    continue
                frames: list[dict[str, Any]] = []
                for frame, moment in zip(prefetched(pictures.read, numbers, ahead=2, threads=2), moments, strict=True):
                    shares = self._shares(frame)
                    pool.submit(files.write, out, frame, shares["generated"])
                    movies.write(frame.pixels, frame.alpha, moment)
                    handle = {"handle": True} if self._is_handle(frame.number) else {}
                    clipped = {"clipped": True} if frame.clipped else {}
                    frames.append({"frame": frame.number, **handle, **shares, **clipped})
                    progress.advance()
                pool.wait()
                yield PartOutput(part, tuple(files.names(numbers)), {"frames": frames})
                waiting = next(asked, None)

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        write_json(out / TRAJECTORY_FILE, self._rendered.trajectory)
        self._write_record(
            out, self._rendered, self._filled, [frame for output in done for frame in output.record["frames"]]
        )
        return [*self._movies.names, TRAJECTORY_FILE, TAKE_FILE]

    def _shares(self, frame: ResultPicture) -> dict[str, float]:
        cameras, index = self._rendered.trajectory, self._rendered.numbers.index(frame.number)
        source = self.source if self.source is not None else cameras
        return hole_shares(frame.mask, frame.origin, frame.z, cameras[index], source[index], self._asked)

    @cached_property
    def _asked(self) -> list[Camera]:
        return asked_cameras(self.source) if self.source is not None else []

    @cached_property
    def _rendered(self) -> RasterStore:
        return self.raster()

    @cached_property
    def _filled(self) -> FillStore:
        return self.fill()

    @cached_property
    def _pictures(self) -> ResultPictures:
        return ResultPictures(
            self._rendered,
            self._filled,
            self.frames.colour,
            self.frames.source_bits,
            self.output.pictures,
            self._adjusted,
            self.background,
        )

    @cached_property
    def _adjusted(self) -> AdjustedFill:
        return AdjustedFill.fit(self.adjustments, self.frames, self._rendered, self._filled)

    @cached_property
    def _files(self) -> ResultFiles:
        aovs = None
        if self.output.aov and self.positions is not None:
            aovs = TakeAovs(self._pictures, self.positions(), self._headers, self.measured)
        return ResultFiles(self._pictures, self._headers, self.output, aovs)

    @cached_property
    def _headers(self) -> TakeHeaders:
        return TakeHeaders(
            self.frames,
            self._rendered,
            self._filled,
            self.key(),
            str(self.record["plate"]["sha256"]),
            str(self.record.get("title", "")),
        )

    def _is_handle(self, number: int) -> bool:
        before, after = self.frames.handles
        place = self.frames.numbers.index(number)
        return place < before or place >= len(self.frames.numbers) - after

    @cached_property
    def _movies(self) -> MovieMaker:
        timecode = self._headers.timecode(self._rendered.numbers[0])
        return MovieMaker(self.frames, self._pictures, self.output, timecode, self.sound)

    def _film_record(self) -> dict[str, Any]:
        """What is told of results that are no plain display pictures."""
        colour = self.frames.colour
        record: dict[str, Any] = self._files.record()
        if colour.space:
            record["colour"] = colour.record()
        if self._movies.edit_file:
            record["edit_movie"] = self._movies.edit_file
        if self.sound is not None:
            record["audio"] = sound_record(self.sound)
        if (moment := self._headers.timecode(self._rendered.numbers[0])) is not None:
            record["timecode"] = moment
        return record

    def _write_record(self, out: Path, raster: RasterStore, fill: FillStore, frames: list[dict[str, Any]]) -> None:
        generated = [frame["generated"] for frame in frames]
        said = fill_note(frames)
        notes = [*self.record.get("notes", ()), *raster.notes, *fill.notes, *self._adjusted.notes]
        if clipped := sum("clipped" in frame for frame in frames):
            notes.append(
                f"Codes beyond black and white are clipped in the pictures of {clipped} of {len(frames)} frames: "
                "--pictures linear keeps them."
            )
        notes += [said] if said else []
        record = {
            "format": TAKE_FORMAT,
            "version": self.version,
            "key": self.key(),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": package_versions(),
            **{name: value for name, value in self.record.items() if name != "notes"},
            "trajectory": TRAJECTORY_FILE,
            "raster": {"name": raster.rasterizer, "device": raster.device, "licence": raster.licence},
            "fill": {
                "name": fill.name,
                "label": fill.label,
                "licence": fill.licence,
                "generative_model": fill.generative,
                "seed": fill.seed,
                "prompt": fill.prompt,
                **self._adjusted.record(),
            },
            "fps": str(self.frames.fps),
            **self._film_record(),
            "generated_mean": round(float(np.mean(generated)), 6),
            "generated_max": round(float(np.max(generated)), 6),
            "frames": frames,
            "notes": list(dict.fromkeys(notes)),
        }
        (out / TAKE_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
