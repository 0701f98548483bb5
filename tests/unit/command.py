# SPDX-License-Identifier: Apache-2.0
"""Running the command line on tiny plates, in this process and in others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from media_factory import write_movie

import ex4d
from ex4d.cli import main

#: For plates whose camera is no matter: nobody looks how it moves.
STILL = ("--source-camera", "still")
KINDS = {1: "bug", 2: "usage", 10: "bad_input", 20: "resources", 30: "transient", 130: "cancelled", 143: "cancelled"}


def textured(index: int, width: int = 96, height: int = 64) -> np.ndarray:
    """(H, W, 3) uint8: soft coloured noise that moves one pixel a frame."""
    noise = np.random.default_rng(7).integers(30, 226, (height // 4 + 2, width // 4 + 40, 3), dtype=np.uint8)
    large = cv2.resize(noise, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[:height, index : index + width])


def make_plate(path: Path, count: int = 8, **options: Any) -> Path:
    """A tiny movie that leaves nothing to remark: tagged BT.709, constant 25 fps."""
    size = {name: options.pop(name) for name in ("width", "height") if name in options}
    pictures = (textured(index, **size) for index in range(count))
    return write_movie(path, pictures, fps=options.pop("fps", 25), matrix=options.pop("matrix", "bt709"), **options)


def make_depth(path: Path, count: int = 8, width: int = 96, height: int = 64, **arrays: Any) -> Path:
    """An npz file with depth: a near square on a far wall, z 2 and 4."""
    depth = np.full((count, height, width), 4, np.float32)
    depth[:, height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 2
    np.savez(path, depth=depth, **arrays)
    return path


class Outcome(NamedTuple):
    """Of one command."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """All lines of standard output, as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """What a command with --json reported."""
        assert self.code == 0, self.out + self.err
        assert self.events[-1]["event"] == "done"
        return self.events[-1]["result"]

    def ran(self) -> list[str]:
        """Names of the stages that did work, not found done."""
        return [event["stage"] for event in self.events if event["event"] == "end" and not event["cached"]]

    def refused(self, code: int) -> str:
        """Check that a command with --json failed with that code, one sentence and a hint; returns the sentence."""
        assert self.code == code, self.out + self.err
        error = self.events[-1]
        assert error["event"] == "error"
        assert (error["exit_code"], error["kind"]) == (code, KINDS[code])
        assert sum(event["event"] in ("error", "done") for event in self.events) == 1
        check_sentence(error["message"])
        check_sentence(error["hint"])
        return error["message"]


def check_sentence(text: str) -> None:
    """Fail on what is no sentence for a user."""
    assert text.endswith(".")
    assert "\n" not in text
    assert not any(word in text for word in ("Traceback", "Errno", "Error(", "<class", ".tmp-", " None"))


def leftovers(root: Path) -> list[str]:
    """Temporary names below a folder."""
    return [path.relative_to(root).as_posix() for path in root.rglob(".tmp-*")]


def files_below(root: Path) -> list[str]:
    """All files below a folder."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


Run = Callable[..., Outcome]


def runner(capfd: Any) -> Run:
    """A function that runs one command in this process; ``capfd`` also sees what C libraries print."""

    def run(*args: object) -> Outcome:
        capfd.readouterr()
        try:
            code = main([str(arg) for arg in args])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capfd.readouterr())

    return run


def start(*args: object, **options: Any) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    paths = [str(Path(ex4d.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "ex4d", *map(str, args)],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        text=True,
        encoding=options.pop("encoding", "utf-8"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **options.pop("env", {})},
        **options,
    )


def finish(process: subprocess.Popen[str], timeout: float = 60) -> Outcome:
    """Wait for it."""
    out, err = process.communicate(timeout=timeout)
    return Outcome(process.returncode, out, err)
