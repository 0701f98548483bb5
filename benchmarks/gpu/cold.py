# SPDX-License-Identifier: Apache-2.0
"""Cold starts: a fresh Python process for each job, from the model's files to the pictures.

This side imports nothing but the standard library: a library that a process has mapped stays in memory when the caches
are dropped, and the job would import it faster than a user's does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.gpu.tables import cells, head

#: In the model's folder; the job's user cache, with the embeddings of the prompts.
CACHE_FOLDER = ".cache"
_DROP = Path("/proc/sys/vm/drop_caches")
_PIECE, _READERS = 16 << 20, 8
#: Bytes that are read to see how fast the disk is.
_SAMPLE = 4 << 30
_COLUMNS = (
    "profile",
    "Triton's cache",
    "imports, s",
    "image encoder",
    "weights on the GPU",
    "encoded",
    "first step",
    "whole job",
    "GB read",
    "of it from disk",
    "GB/s while loading",
    "peak GiB",
)


class ColdError(Exception):
    """What stops the benchmark.

    Args:
        message, hint: what is wrong, and what to do.
        code: exit code.
    """

    def __init__(self, message: str, hint: str, code: int) -> None:
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


def drop_caches() -> None:
    """Let the system forget all files that it keeps in memory.

    Raises:
        ColdError: this process may not.
    """
    os.sync()
    try:
        _DROP.write_text("3\n", encoding="ascii")
    except OSError as error:
        raise ColdError(
            f"The caches cannot be dropped: {_DROP}: {error.strerror}.",
            "Run as root on the machine itself, or use --evict, which needs no rights but keeps libraries in memory.",
            30,
        ) from error


def evict(folder: Path) -> None:
    """Ask the system to forget the files of one folder; others, such as libraries, stay in memory."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_speed(folder: Path) -> float:
    """GB/s of reading the folder's largest file by several threads, as the loaders do."""
    path = max(folder.rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    size = min(path.stat().st_size, _SAMPLE)

    def read(start: int) -> int:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return len(file.read(min(_PIECE, size - start)))

    started = time.monotonic()
    with ThreadPoolExecutor(_READERS) as pool:
        done = sum(pool.map(read, range(0, size, _PIECE)))
    return done / 1e9 / (time.monotonic() - started)


def bench_cold(folder: Path, profiles: Sequence[str], *, toy: bool, drop: bool, evicted: bool) -> None:
    """A table of cold starts, each profile with an empty Triton cache and with the one that is kept.

    Args:
        folder: of ``bench_gpu files``, in 16 or in 8 bits.
        profiles: by name.
        toy: whether the files are a toy's.
        drop: drop all caches before each job.
        evicted: forget the model's files before each job.

    Raises:
        ColdError: a job failed, or caches may not be dropped.
    """
    if not any(folder.rglob("*.safetensors")):
        raise ColdError(f"There is no model in {folder}.", "Write one: bench_gpu files FOLDER.", 10)

    def forget() -> None:
        if drop:
            drop_caches()
        elif evicted:
            evict(folder)

    forget()
    print(f"Disk, {_READERS} threads: {disk_speed(folder):.2f} GB/s." + ("" if drop or evicted else " " + _WARM))
    print("Seconds since the process was started:\n")
    head(*_COLUMNS)
    for profile in profiles:
        with tempfile.TemporaryDirectory(prefix="ex4d-triton-") as kernels:
            for state in ("empty", "kept"):
                forget()
                told = run_job(folder, profile, Path(kernels), toy=toy)
                cells(profile, state, *_cells(told))


_WARM = "Files may be in memory: --drop-caches and --evict take them out."


def run_job(folder: Path, profile: str, kernels: Path, *, toy: bool) -> dict[str, Any]:
    """What ``cold_job`` tells of one job in a process of its own.

    Raises:
        ColdError: it failed.
    """
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "TRITON_CACHE_DIR": str(kernels),
        "XDG_CACHE_HOME": str(folder.resolve() / CACHE_FOLDER),
    }
    command = [sys.executable, "-P", "-m", "benchmarks.gpu.cold_job", str(folder), profile, *(["--toy"] if toy else [])]
    # CLOCK_MONOTONIC, which all processes share.
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--started", repr(started)], env=environment, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        print(done.stderr, file=sys.stderr)
        raise ColdError(f"The job of {profile} ended with code {done.returncode}.", "Its messages are above.", 1)
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def _cells(told: dict[str, Any]) -> list[str]:
    ends = told["ends"]
    moments = [ends[name] for name in ("imports", "prompt", "load", "encode", "first step", "job")]
    disk = told["disk_gb"]
    return [
        *(f"{moment:.1f}" for moment in moments),
        f"{told['gb']:.2f}",
        "?" if disk is None else f"{disk:.2f}",
        f"{told['load_gb'] / (ends['load'] - ends['prompt']):.2f}",
        f"{told['peak_gib']:.1f}",
    ]
