# SPDX-License-Identifier: Apache-2.0
"""The small set of scenes with known truth, kept in build/truth until the code that renders it changes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / "tools" / "scenes"
RENDERED_BY = [*sorted((SCENES / "truth").glob("*.py")), SCENES / "make_groundtruth.py"]


@pytest.fixture(scope="session")
def truth():
    """Folder of the small set."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in RENDERED_BY)).hexdigest()[:12]
    folder = ROOT / "build" / "truth" / f"small-{digest}"
    command = [sys.executable, "-m", "tools.scenes.make_groundtruth", "--small", "--out", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and "is needed to render" in done.stderr + done.stdout:
        pytest.skip(f"The scenes cannot be rendered here: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder
