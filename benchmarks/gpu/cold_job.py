# SPDX-License-Identifier: Apache-2.0
"""One job in a process of its own, from the files of a folder: python -m benchmarks.gpu.cold_job FOLDER PROFILE.

Everything is what users run: the host, the loaders, the cache of prompts. Prints one line of JSON: monotonic seconds
since --started at which each part ended.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def _disk_gb() -> float | None:
    """GB that this process has made the disk read, where the system tells."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
        return float(next(line for line in lines if line.startswith("read_bytes:")).split()[1]) / 1e9
    except (OSError, StopIteration):
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("profile")
    parser.add_argument("--started", type=float, default=time.monotonic())
    parser.add_argument("--toy", action="store_true")
    args = parser.parse_args(arguments)

    from ex4d.models.prefetch import PREFETCHER

    PREFETCHER.begin((args.folder,))
    from ex4d.fill.ex4d_wan.host import ModelHost, Request
    from ex4d.fill.ex4d_wan.model_files import find_models
    from ex4d.fill.ex4d_wan.profiles import PROFILES
    from ex4d.fill.ex4d_wan.quirks import NEGATIVE_PROMPT, PROMPT

    imported = time.monotonic()
    from benchmarks.gpu.jobs import Stages, peak_gib
    from benchmarks.gpu.sizes import RELEASED, TOY

    stages, host = Stages(), ModelHost()
    request = Request((args.folder,), PROFILES[args.profile], PROMPT, NEGATIVE_PROMPT, 0)
    clip = (TOY if args.toy else RELEASED).clip()
    PREFETCHER.end()
    pictures, notes = host.run(request, clip, stages)
    count = sum(1 for _ in pictures)
    stages.end()
    finished = time.monotonic()
    print("\n".join(notes), file=sys.stderr)

    sizes = {
        role: sum(file.path.stat().st_size for file in part.tensors.files) / 1e9
        for role, part in find_models([args.folder]).parts.items()
        if role != "text"
    }
    moments = {"imports": imported, **stages.ends, "first step": stages.steps[0], "job": finished}
    told = {
        "ends": {name: moment - args.started for name, moment in moments.items()},
        "pictures": count,
        "gb": sum(sizes.values()),
        "load_gb": sum(size for role, size in sizes.items() if role != "image"),
        "disk_gb": _disk_gb(),
        "peak_gib": peak_gib(),
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
