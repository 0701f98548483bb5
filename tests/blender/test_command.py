# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``ex4d`` in processes of their own, as ``blender -b FILE --command ex4d …`` runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: Blender as a module has no command line; this is what it does with one.
RUN = """
import sys, bpy, addon_utils
file, *arguments = sys.argv[1:]
addon_utils.enable("ex4d_blender", default_set=True)
if file:
    bpy.ops.wm.open_mainfile(filepath=file)
else:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
from ex4d_blender import cli
code = cli.main(arguments)
sys.stdout.flush(); sys.stderr.flush()
import os; os._exit(code)
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, backend_python: str) -> Iterator[Path]:
    """A backend that stays between the commands, as a studio's does."""
    folder = tmp_path_factory.mktemp("runtime")
    process = subprocess.Popen([backend_python, "-I", "-m", "ex4d", "serve", "--keep", "--runtime-dir", str(folder)])
    end = time.monotonic() + 30
    while not (folder / "backend.json").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    yield folder
    process.terminate()
    assert process.wait(30) == 0


def start(runtime: Path, file: Path | None, *arguments: object) -> subprocess.Popen[str]:
    variables = {**os.environ, "EX4D_RUNTIME_DIR": str(runtime)}
    command = [sys.executable, "-c", RUN, str(file or ""), *map(str, arguments)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(runtime: Path, file: Path | None, *arguments: object) -> tuple[int, str, str]:
    process = start(runtime, file, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def blend(runtime: Path, plate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a reconstructed shot, made by the command."""
    folder = tmp_path_factory.mktemp("shot")
    code, out, err = run(
        runtime, None, "reconstruct", "--plate", plate, "--shot", folder / "shot", "--viewport", 48,
        "--output", folder / "shot.blend",
    )  # fmt: skip
    assert code == 0, err
    assert f"{folder / 'shot'}: 6 frames of 96x64" in out
    assert "note: Depth is relative and coarse" in out
    assert "saved" in out
    return folder / "shot.blend"


def test_render_and_generate(runtime: Path, blend: Path) -> None:
    code, out, err = run(runtime, blend, "render", "--move", "orbit:20", "--preview", "--json")
    assert code == 0, err
    done = events(out)[-1]
    assert done["event"] == "done"
    assert done["result"]["numbers"] == list(range(1001, 1007))
    assert 0.3 < min(done["result"]["coverage"]) < 1

    code, out, err = run(runtime, blend, "generate", "--move", "orbit:20", "--frames", "1002-1003", "--save", "--json")
    assert code == 0, err
    result = events(out)[-1]["result"]
    assert (result["numbers"], result["take"]) == ([1002, 1003], "v001")
    assert Path(result["movie"]).is_file()
    stages = [event["stage"] for event in events(out) if event["event"] == "progress"]
    assert "depth" not in stages
    # The saved file has the take: it is there by its name.
    code, out, err = run(runtime, blend, "generate", "--take", "Take 01", "--json")
    assert code == 0, err
    assert events(out)[-1]["result"]["take"] == "v001"


def test_status(runtime: Path, blend: Path) -> None:
    code, out, _ = run(runtime, None, "status", "--json")
    found = events(out)
    assert code == 0
    assert found[0]["running"] is True
    assert found[0]["backend"]["version"]
    assert any(event["event"] == "job" and event["job"]["state"] == "done" for event in found)
    code, out, _ = run(runtime / "nothing", None, "status")
    assert code == 0
    assert "does not run" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["dance"], 2, "dance"),
        (["render", "--speed", "9"], 2, "--speed"),
        (["render", "--move", "dance"], 2, "dance"),
        (["generate", "--take", "Nobody"], 10, "no such take"),
        (["generate", "--camera", "Nobody"], 10, "Nobody"),
        (["generate", "--move", "orbit:1", "--frames", "x"], 2, "frame range"),
        (["generate", "--move", "orbit:1", "--frames", "1-5"], 10, "1-5"),
        (["generate", "--move", "orbit:1", "--profile", "magic"], 2, "magic"),
        (["generate", "--move", "orbit:1", "--seed", "3"], 2, "seed"),
        (["reconstruct", "--plate", "/nowhere/plate.mp4", "--shot", "/tmp/x"], 10, "plate.mp4"),
    ],
)
def test_exit_codes(runtime: Path, blend: Path, arguments: list[str], code: int, words: str) -> None:
    found, _, err = run(runtime, blend, *arguments)
    assert found == code, err
    lines = [line for line in err.splitlines() if line.startswith(("error: ", "       "))]
    assert words in lines[0]
    assert len(lines) == 2
    found, out, _ = run(runtime, blend, *arguments, "--json")
    last = events(out)[-1]
    assert (last["event"], last["exit_code"], found) == ("error", code, code)


def test_no_backend_is_code_20(blend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EX4D_BACKEND_PYTHON")
    code, _, err = run(tmp_path / "run", blend, "generate", "--move", "orbit:1")
    assert code == 20
    assert "Install Backend" in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_it_cancels_its_job(
    runtime: Path, blend: Path, number: signal.Signals, code: int, backend_python: str, tmp_path: Path
) -> None:
    movie = tmp_path / "long.mp4"
    make = (
        "import sys, numpy as np; from fractions import Fraction; from pathlib import Path;"
        "from ex4d.media.movie import MovieWriter\n"
        "rng = np.random.default_rng(0); back = rng.integers(0, 255, (240, 320, 3), np.uint8)\n"
        "with MovieWriter(Path(sys.argv[1]), width=320, height=240, fps=Fraction(24)) as movie:\n"
        "    for i in range(60): movie.write(np.roll(back, i, 1))"
    )
    subprocess.run([backend_python, "-I", "-c", make, str(movie)], check=True)
    process = start(runtime, None, "reconstruct", "--plate", movie, "--shot", tmp_path / "shot", "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{") and json.loads(line).get("stage") == "depth":
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert events(out)[-1]["kind"] == "cancelled"
    _, out, _ = run(runtime, None, "status", "--json")
    jobs = [event["job"] for event in events(out) if event["event"] == "job"]
    assert jobs[-1]["state"] == "cancelled"
    assert list((tmp_path / "shot").rglob(".tmp-*")) == []
