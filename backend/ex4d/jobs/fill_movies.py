# SPDX-License-Identifier: Apache-2.0
"""A render that exists as two movies only, filled: a movie, with a record beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ex4d.composite.movies import CompositeSink, MovieTake
from ex4d.composite.take import package_versions
from ex4d.fill import Generator
from ex4d.jobs.context import JobContext
from ex4d.jobs.fills import create_generator, fill_info
from ex4d.jobs.plans import fill_plan
from ex4d.media.movie import MovieWriter
from ex4d.plate import PlateReader, plate_hash
from ex4d.protocol.errors import Ex4dError, UsageError
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.requests import FillMoviesRequest
from ex4d.protocol.results import FillMoviesResult, MovieSource, result_record
from ex4d.stages.work_folder import remove_leftovers
from ex4d.system.files import atomic_write, make_folder, writing
from ex4d.system.inputs import read_bytes
from ex4d.system.progress import Progress

RECORD_FORMAT, RECORD_VERSION = "ex4d-filled-movie", 1
#: Bytes of such a record; one has some 10 for a frame.
_MAX_RECORD = 64 << 20


def run(request: FillMoviesRequest, context: JobContext) -> FillMoviesResult:
    """Fill them.

    Raises:
        UsageError: there is no such generator, or the output is no movie's name, an input, or no earlier result.
        BadInputError: a movie cannot be used, or the two do not fit each other.
        ResourceError: this machine lacks what the generator needs.
    """
    generator = create_generator(request.fill)
    color, mask, output = Path(request.color), Path(request.mask), Path(request.output)
    _check_output(output, (color, mask))
    take = MovieTake.open(color, mask, request.mask_erosion, request.count)
    remove_leftovers(output.parent)
    context.progress.expect(fill_plan(generator))
    with generator.read_ahead():
        generator.prepare(take.count)
        return fill_movies(take, generator, output, context.progress)


def fill_movies(take: MovieTake, generator: Generator, output: Path, progress: Progress) -> FillMoviesResult:
    """Fill a movie take and write ``output`` at the colour movie's rate, with a record beside it."""
    make_folder(output.parent)
    info = take.color.info
    with MovieWriter(output, width=take.width, height=take.height, fps=info.fps) as movie:
        sink = CompositeSink(take, movie)
        of = None if generator.progress_parts else take.count
        with progress.stage("fill", of, generator.progress_parts):
            notes = generator.generate(take, sink, progress)
    notes = (*info.notes, *take.notes, *notes)
    for note in notes:
        progress.note(note)
    result = FillMoviesResult(
        RECORD_FORMAT,
        RECORD_VERSION,
        package_versions(),
        str(output),
        _source(take.color),
        _source(take.mask),
        take.erosion,
        fill_info(generator),
        str(info.fps),
        round(float(np.mean(sink.generated)), 6),
        round(float(np.max(sink.generated)), 6),
        tuple(sink.generated),
        notes,
    )
    atomic_write(_record_file(output), json.dumps(result_record(result), indent=1).encode())
    return result


def _source(movie: PlateReader) -> MovieSource:
    return MovieSource(str(movie.info.path.absolute()), plate_hash(movie))


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Raise UsageError for an output that is no movie's name, or that would write over what is no earlier result."""
    with writing(output):
        if output.suffix.lower() != ".mp4" or output.is_dir():
            raise UsageError(f"The output «{output}» is not the name of an .mp4 file.", "Name it like out.mp4.")
        if output.exists() and any(path.exists() and output.samefile(path) for path in inputs):
            raise UsageError(f"The output {output} is also an input.", "Give the output another name.")
        record = _record_file(output)
        for path in (output, record):
            if path.exists() and not _is_record(record):
                raise UsageError(
                    f"{path} exists, and is no earlier result of this command.",
                    "Give the output another name, or move the file away.",
                )


def _record_file(output: Path) -> Path:
    """The record beside a filled movie."""
    return output.with_suffix(".json")


def _is_record(path: Path) -> bool:
    """Whether a file is the record of a filled movie."""
    try:
        record = parse_json(read_bytes(path, _MAX_RECORD))
    except (Ex4dError, ValueError):
        return False
    return isinstance(record, dict) and record.get("format") == RECORD_FORMAT
