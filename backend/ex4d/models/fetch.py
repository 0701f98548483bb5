# SPDX-License-Identifier: Apache-2.0
"""Getting one file from a server so that nothing is got twice: what has come stays when the line breaks, when it is
stopped and when the process ends, and the next try asks for the rest. A file takes its name when its checksum is right.

``huggingface_hub`` throws away what has come of a file when it is stopped; of its own session only addresses, tokens,
proxies and certificates are used here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ex4d.models.hub import sha256_of
from ex4d.protocol.errors import Ex4dError, TransientError
from ex4d.system.files import make_folder, writing

#: How the name of a file ends that has not come whole. Before it stands which file it is to become: what came of
#: another revision is no beginning of this one.
PART = ".part"
#: Tries one after the other that bring nothing, and seconds before the next one.
PAUSES = (1.0, 2.0, 4.0, 8.0)
#: Seconds without a byte after which a connection counts as broken.
SILENCE_SECONDS = 10.0
#: Answers of a server that may be another one soon; others are final.
_LATER = (408, 425, 429)


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server.

    Attributes:
        name: its path below the folder that it is got into.
        url: where it is.
        size: bytes.
        sha256: of its content; "" = nobody tells.
        version: what tells it from another file of that name, "" = its checksum does.
    """

    name: str
    url: str
    size: int
    sha256: str
    version: str = ""

    def target(self, folder: Path) -> Path:
        """Where it lies when it has come."""
        return folder / self.name

    def part(self, folder: Path) -> Path:
        """Where it lies until then."""
        target = self.target(folder)
        return target.with_name(f"{target.name}.{(self.sha256 or self.version)[:12]}{PART}")

    def bytes_there(self, folder: Path) -> int:
        """How much of it has come."""
        for path in (self.target(folder), self.part(folder)):
            if path.is_file():
                return min(path.stat().st_size, self.size)
        return 0


class DamagedError(TransientError):
    """A file has come whole, and is another one."""


class _BrokenError(Exception):
    """The line has broken; the text says how."""


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    session: Any,
    headers: Mapping[str, str],
    advance: Callable[[int], None],
    check: Callable[[], None],
) -> None:
    """Get a file, or the rest of it.

    Args:
        file: what.
        folder: where to.
        session: ``huggingface_hub``'s, an ``httpx`` client.
        headers: of the request.
        advance: is told how many bytes have come; fewer than 0 where a server begins again.
        check: is called often; whatever it raises stops the work. What has come stays.

    Raises:
        TransientError: the server does not give it, the line broke again and again, or the disk failed.
        DamagedError: it came whole and is not the file; what has come is removed.
    """
    target, part = file.target(folder), file.part(folder)
    make_folder(target.parent)
    _remove_other_parts(target, part)
    with writing(part):
        part.touch()
    fruitless = 0
    while (before := part.stat().st_size) != file.size:
        check()
        try:
            _get_rest(file, part, session, headers, advance, check)
        except _BrokenError as error:
            fruitless = 0 if part.stat().st_size > before else fruitless + 1
            if fruitless > len(PAUSES):
                raise TransientError(
                    f"{target.name} could not be downloaded: {error}.",
                    "What has come is kept. Try again: it goes on from there.",
                ) from error
            _pause(PAUSES[max(fruitless - 1, 0)], check)
    if file.sha256 and sha256_of(part, check) != file.sha256:
        with writing(part):
            part.unlink()
        advance(-file.size)
        raise DamagedError(f"{target.name} arrived damaged and was removed: its checksum differs.", "Try again.")
    with writing(target):
        part.replace(target)


def _remove_other_parts(target: Path, part: Path) -> None:
    for other in target.parent.glob(f"{target.name}.*{PART}"):
        if other != part:
            with writing(other):
                other.unlink(missing_ok=True)


def _pause(seconds: float, check: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check()
        time.sleep(min(0.1, seconds))


@contextmanager
def _breaks() -> Iterator[None]:
    """Whatever the network library raises, under whatever name: the line has broken."""
    try:
        yield
    except (Ex4dError, _BrokenError):
        raise
    except Exception as error:
        raise _BrokenError(" ".join(str(error).split())[:200].rstrip(".") or type(error).__name__) from error


def _get_rest(
    file: RemoteFile,
    part: Path,
    session: Any,
    headers: Mapping[str, str],
    advance: Callable[[int], None],
    check: Callable[[], None],
) -> None:
    """One request; raises _BrokenError where not all has come."""
    there = part.stat().st_size
    wanted = {**headers, "Accept-Encoding": "identity"}
    if there:
        wanted["Range"] = f"bytes={there}-"
    with (
        _breaks(),
        session.stream("GET", file.url, headers=wanted, timeout=SILENCE_SECONDS, follow_redirects=True) as response,
    ):
        there = _agreed_begin(file, part, there, response, advance)
        pieces = iter(response.iter_bytes())
        with writing(part), part.open("ab") as out:
            while (piece := _next(pieces)) is not None:
                check()
                there += len(piece)
                if there > file.size:
                    advance(len(piece) - there)
                    out.truncate(0)
                    raise _BrokenError("the server sends more than the file")
                out.write(piece)
                advance(len(piece))
    if there < file.size:
        raise _BrokenError("the connection was closed in the middle")


def _next(pieces: Iterator[bytes]) -> bytes | None:
    """The next bytes; an error of the network is none of the disk."""
    with _breaks():
        return next(pieces, None)


def _agreed_begin(file: RemoteFile, part: Path, there: int, response: Any, advance: Callable[[int], None]) -> int:
    """Where the answer begins in the file: what has come is cut to that.

    Raises:
        _BrokenError: it may be another answer next time.
        TransientError: it will not.
    """
    code = response.status_code
    if code == 206:
        said = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        begin = int(said[1]) if said else -1
    elif code == 200:
        # It knows no ranges.
        begin = 0
    elif code in _LATER or code >= 500:
        raise _BrokenError(f"the server answers {code}")
    elif code == 416:
        begin = -1
    else:
        raise TransientError(
            f"{file.name} could not be downloaded: the server answers {code}.",
            "Look whether the file is still on the model's page, and whether HF_ENDPOINT names a whole mirror.",
        )
    if begin != there:
        with writing(part):
            part.write_bytes(b"")
        advance(-there)
        if begin != 0:
            raise _BrokenError("the server sends another part than it was asked for")
    return begin
