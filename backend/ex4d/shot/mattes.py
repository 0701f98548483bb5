# SPDX-License-Identifier: Apache-2.0
"""An artist's mattes of what moves by itself: read as plates are, one for each of the plate's frames."""

from __future__ import annotations

from pathlib import Path

from ex4d.depth.parallax.source import Mattes
from ex4d.plate import open_plate, plate_hash
from ex4d.plate.stage import PlateStage
from ex4d.plate.store import FrameStore
from ex4d.protocol.errors import BadInputError
from ex4d.shot.folder import Shot
from ex4d.system.inputs import HashedFiles
from ex4d.system.progress import Progress

#: By how much the shape of mattes may differ from the plate's: their sides are whole pixels.
ASPECT_TOLERANCE = 0.01


class MatteStage(PlateStage):
    """Reads mattes, as ``PlateStage`` does a plate."""

    name = "mattes"


def read_mattes(shot: Shot, path: Path, first_frame: int, frames: FrameStore, progress: Progress) -> Mattes:
    """Mattes of a plate, kept in the shot's cache by their content.

    Args:
        path: movie, folder, pattern or image, as a plate's.
        first_frame: number of a movie's first frame.
        frames: of the plate. Mattes that have all their numbers are matched by number, others in order.

    Raises:
        BadInputError: they cannot be read, or do not fit the plate.
    """
    reader = open_plate(path, first_frame=first_frame)
    hashed = HashedFiles.of(reader.paths, lambda: plate_hash(reader))
    stage = MatteStage(hashed.hash, {"first_frame": first_frame}, reader, hashed)
    mattes = FrameStore.open(shot.cache.ensure(stage, progress))
    numbers = _matched(mattes, frames, progress)
    shape = mattes.width * frames.height / (mattes.height * frames.width)
    if abs(shape - 1) > ASPECT_TOLERANCE:
        raise BadInputError(
            f"The mattes are pictures of {mattes.width}x{mattes.height} pixels, another shape than the plate's "
            f"{frames.width}x{frames.height}.",
            "Render them at the plate's size.",
        )
    return Mattes(mattes, stage.key(), numbers)


def _matched(mattes: FrameStore, frames: FrameStore, progress: Progress) -> tuple[int, ...]:
    """The matte's number for each frame of the plate."""
    if set(frames.numbers) <= set(mattes.numbers):
        return frames.numbers
    told = f"{mattes.numbers[0]}-{mattes.numbers[-1]}", f"{frames.numbers[0]}-{frames.numbers[-1]}"
    if len(mattes) != len(frames):
        raise BadInputError(
            f"The mattes have the frames {told[0]}, and the plate has {told[1]}.",
            "Give one matte for each frame, with the plate's numbers.",
        )
    progress.note(f"The mattes' frames {told[0]} are taken in order for the plate's {told[1]}.")
    return mattes.numbers
