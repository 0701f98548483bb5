# SPDX-License-Identifier: Apache-2.0
"""Break each stage on purpose and see tests/quality fail: python -m benchmarks.prove_bounds [--only NAME ...]

Works on a copy of the tree; the scenes that the tests have rendered are used as they are. Prints a table in Markdown
for docs/quality.md and exits with 1 if a broken stage passes. Each break takes as long as the tests, a minute or two.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("backend", "benchmarks", "scripts", "tests", "tools", "pyproject.toml")


@dataclass(frozen=True)
class Break:
    """A mistake that somebody could make.

    Attributes:
        what: in words, for the table.
        file: of the backend's package.
        old, new: text that stands there exactly once, and what it becomes.
    """

    what: str
    file: str
    old: str
    new: str


BREAKS = {
    "ray": Break(
        "raster: rays half a pixel off",
        "raster/opengl/rasterizer.py",
        "-K[0, 2] / K[0, 0]",
        "-(K[0, 2] + 0.5) / K[0, 0]",
    ),
    "centres": Break(
        "raster: the plate's colours half a pixel off",
        "raster/shaders/plate.glsl",
        "clamp(at - 0.5, vec2(0.0)",
        "clamp(at, vec2(0.0)",
    ),
    "walls": Break("mesh: things infinitely deep", "protocol/values.py", "THICKNESS = 1.0", 'THICKNESS = float("inf")'),
    "edges": Break(
        "mesh: depth jumps drawn as one face",
        "mesh/dwmesh.py",
        "if self.vertex_alpha is not None:\n            return None",
        "if self.settings:\n            return None",
    ),
    "tears": Break(
        "mesh: faces never tear",
        "mesh/dwmesh.py",
        "face_valid = valid_depth_faces(",
        "face_valid = np.ones(topology.grid_faces, dtype=np.bool_) | valid_depth_faces(",
    ),
    "motion": Break(
        "depth: the source camera's motion dropped",
        "depth/files.py",
        "return given.resized(*frames.size), (True, True)",
        "given.E[:] = given.E[0]\n            return given.resized(*frames.size), (True, True)",
    ),
    "upside_down": Break(
        "depth: what is near taken for far",
        "depth/small/network.py",
        "return np.array(self._net.forward()[0, 0], dtype=np.float32)",
        "return -np.array(self._net.forward()[0, 0], dtype=np.float32)",
    ),
    "unsteady": Break(
        "depth: frames as the network makes them", "depth/small/source.py", "smoother.run(count)", "pass"
    ),
    "background": Break(
        "fill: other frames not looked at",
        "fill/stage.py",
        "self.background.working(number) if self.background else None",
        "None",
    ),
    "black": Break(
        "fill: what no frame shows stays black",
        "fill/preview/generator.py",
        "filled = pull_push(color, weight, say)",
        "filled = np.zeros_like(color)",
    ),
}


def apply(broken: Break, tree: Path) -> None:
    """Make the mistake in a copy of the tree."""
    path = tree / "backend" / "ex4d" / broken.file
    text = path.read_text(encoding="utf-8")
    if text.count(broken.old) != 1:
        sys.exit(f"error: {broken.file} has {text.count(broken.old)} times «{broken.old}».\n       Mend this script.")
    path.write_text(text.replace(broken.old, broken.new), encoding="utf-8")


def failing(tree: Path) -> list[str]:
    """Names of the tests that fail there; those of the set itself are not asked."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/quality", "-rfE", "--tb=no"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "backend"), str(tree)])}
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"error: the tests do not run.\n{done.stdout}")
    return sorted(set(re.findall(r"^(?:FAILED|ERROR) \S+::(test_\w+)", done.stdout, re.MULTILINE)))


def main() -> int:
    """Break, test, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BREAKS, default=list(BREAKS), metavar="NAME")
    args = parser.parse_args()
    print("| broken on purpose | tests that fail |\n|---|---|", flush=True)
    passed = []
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            for part in COPIED:
                source = ROOT / part
                (shutil.copytree if source.is_dir() else shutil.copy)(source, tree / part)
            for environment in ROOT.glob(".venv*"):
                (tree / environment.name).symlink_to(environment)
            apply(BREAKS[name], tree)
            found = failing(tree)
        print(f"| {BREAKS[name].what} | {', '.join(f'`{test}`' for test in found) or '**none**'} |", flush=True)
        if not found:
            passed.append(name)
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
