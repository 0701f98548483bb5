# SPDX-License-Identifier: Apache-2.0
"""Takes of film plates by the command line, and their files as other programs read them."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from command import make_depth
from numpy.typing import NDArray

from ex4d.cli import main
from ex4d.protocol.values import padded_number

PLATES = Path(__file__).parents[3] / "shared" / "data" / "plates"
needs_plates = pytest.mark.skipif(
    not PLATES.exists(), reason="needs the film plates in ../shared/data, which are not there"
)
FOV = 50


def shared_truth() -> dict[str, Any]:
    """``truth.json`` of the film plates; {} where there are none."""
    path = PLATES / "truth.json"
    return json.loads(path.read_text()) if path.exists() else {}


@dataclass(frozen=True)
class Refused:
    """A command that ended with an error.

    Attributes:
        code: exit code.
        message, hint: what it said.
    """

    code: int
    message: str
    hint: str


@dataclass(frozen=True)
class Take:
    """A delivered take.

    Attributes:
        folder: its own.
        events: of the command that made it.
    """

    folder: Path
    events: tuple[dict[str, Any], ...]

    @cached_property
    def record(self) -> dict[str, Any]:
        return json.loads((self.folder / "take.json").read_text(encoding="utf-8"))

    @cached_property
    def notes(self) -> str:
        """All that was said, by the command and by the record."""
        said = [event["text"] for event in self.events if event["event"] == "note"]
        return "\n".join(dict.fromkeys([*said, *self.record["notes"]]))

    @property
    def numbers(self) -> list[int]:
        return [frame["frame"] for frame in self.record["frames"]]

    @property
    def generated(self) -> float:
        """The largest share of a frame's pixels that is not the plate's."""
        return float(self.record["generated_max"])

    def file(self, number: int) -> Path:
        """A frame of the result."""
        (path,) = (self.folder / "result").glob(f"result.{padded_number(number, 4)}.*")
        return path

    def result(self, number: int) -> NDArray[Any]:
        """(H, W, 3 or 4) as the file has it: R, G, B, A."""
        return picture(self.file(number))

    def unit(self, number: int) -> NDArray[np.float64]:
        """(H, W, 3): 1 = white for pictures of whole numbers, floats as they are."""
        pixels = self.result(number)[..., :3]
        white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        return pixels.astype(np.float64) / white

    def mask(self, number: int) -> NDArray[np.uint8]:
        return np.asarray(
            cv2.imread(str(self.folder / f"mask/mask.{padded_number(number, 4)}.png"), cv2.IMREAD_UNCHANGED)
        )

    def header(self, number: int) -> dict[str, Any]:
        with OpenEXR.File(str(self.file(number)), header_only=True) as file:
            return dict(file.header())


def picture(path: Path) -> NDArray[Any]:
    """(H, W, 3 or 4) of a PNG file of colours, or of the first part of an EXR file, within its data window."""
    if path.suffix == ".exr":
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: np.array(channel.pixels) for name, channel in file.parts[0].channels.items()}
        return np.dstack([channels[name] for name in "RGBA" if name in channels])
    pixels = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def bits(values: NDArray[Any]) -> NDArray[Any]:
    """For comparing floats to the bit, NaN included."""
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def command(*args: object) -> tuple[int, tuple[dict[str, Any], ...]]:
    """Exit code and events of a command in this process."""
    with redirect_stdout(StringIO()) as out:
        code = main([*map(str, args), "--json"])
    return code, tuple(json.loads(line) for line in out.getvalue().splitlines())


def shoot_or_refuse(
    root: Path,
    plate: str | Path,
    *options: str,
    count: int,
    size: tuple[int, int] = (128, 72),
    cam: str = "hold",
    raster: str = "opengl",
) -> Take | Refused:
    """``ex4d run`` with known depth: a near square before a far wall; the source view unless ``cam`` moves.

    Args:
        root: gets depth and shot; called again, with other options, it makes another take of the same.
        plate: what the command line is given.
        options: further ones.
        count: of frames.
        size: of a frame.
        cam, raster: as the options.
    """
    depth = root / f"depth_{count}_{size[0]}x{size[1]}.npz"
    if not depth.exists():
        root.mkdir(parents=True, exist_ok=True)
        make_depth(depth, count, *size)
    given = ("--depth", depth, "--fov", FOV, "--cam", cam, "--raster", raster)
    code, events = command("run", plate, "--out", root / "shot", *given, *options)
    if code:
        return Refused(code, events[-1]["message"], events[-1]["hint"])
    (take,) = events[-1]["result"]["takes"]
    return Take(Path(take["folder"]), events)


def shoot(root: Path, plate: str | Path, *options: str, **more: Any) -> Take:
    """The same, where it must be made."""
    take = shoot_or_refuse(root, plate, *options, **more)
    assert isinstance(take, Take), take
    return take


def timecode_of(movie: Path) -> str | None:
    """That of a movie's track."""
    with av.open(str(movie)) as file:
        return next((stream.metadata["timecode"] for stream in file.streams if "timecode" in stream.metadata), None)


def exr_moment(header: dict[str, Any]) -> str:
    """``timeCode`` of a header as people write it."""
    moment = header["timeCode"]
    mark = ";" if moment.dropFrame else ":"
    frame = moment.frame
    if round(header["framesPerSecond"]) > 30:  # it counts pairs of frames, SMPTE ST 12-1
        frame = 2 * frame + moment.fieldPhase
    return f"{moment.hours:02d}:{moment.minutes:02d}:{moment.seconds:02d}{mark}{frame:02d}"


def rate_of(movie: Path) -> Fraction:
    with av.open(str(movie)) as file:
        return Fraction(file.streams.video[0].average_rate)
