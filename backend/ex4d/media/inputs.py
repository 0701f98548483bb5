# SPDX-License-Identifier: Apache-2.0
"""Opening input files, with the user's error for those that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ex4d.protocol.errors import BadInputError


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, which reads ``path``, into an error with a hint."""
    if "\0" in str(path):
        raise BadInputError("A path has a null character in it.", "Check the path.")
    try:
        yield
    except FileNotFoundError as error:
        raise BadInputError(f"{path} does not exist.", "Check the path.") from error
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its permissions."
        ) from error


def read_bytes(path: Path) -> bytes:
    """The content of an input file.

    Raises:
        BadInputError: the file is missing, empty, a folder or unreadable.
    """
    with reading(path):
        data = path.read_bytes()
    if not data:
        raise empty_file_error(path)
    return data


def empty_file_error(path: Path) -> BadInputError:
    """The error for a file of no bytes."""
    return BadInputError(f"{path} is an empty file.", "Copy or export the file again.")
