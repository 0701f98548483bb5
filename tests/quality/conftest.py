# SPDX-License-Identifier: Apache-2.0
"""The small set of scenes with known truth, kept in the user's cache until the code that makes it changes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from file_lock import alone

ROOT = Path(__file__).resolve().parents[2]
SCENES, EVALUATION = ROOT / "tools" / "scenes", ROOT / "backend" / "ex4d" / "evaluation"
MADE_BY = [
    *sorted((SCENES / "truth").glob("*.py")),
    SCENES / "make_groundtruth.py",
    EVALUATION / "truth.py",
    EVALUATION / "regions.py",
    ROOT / "scripts" / "_bpy_environment.sh",
]


@pytest.fixture(scope="session")
def truth():
    """Folder of the small set."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in MADE_BY)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ex4d-truth"
    folder = cache / f"small-{digest}"
    command = [sys.executable, "-m", "tools.scenes.make_groundtruth", "--small", "--out", str(folder)]
    with alone(cache / f"small-{digest}.lock"):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and "is needed to render" in done.stderr + done.stdout:
        pytest.skip(f"The scenes cannot be rendered here: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder
