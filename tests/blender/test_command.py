# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``ex4d`` in processes of their own, as ``blender -b FILE --command ex4d …`` runs it."""

from __future__ import annotations

import json
import os
import shutil
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

#: Several command lines, one after the other, each on the file as it is on the disk; prints [code, out, err] of each.
RUN_ALL = """
import contextlib, io, json, os, sys, bpy, addon_utils
addon_utils.enable("ex4d_blender", default_set=True)
from ex4d_blender import cli
told = []
for arguments in json.loads(sys.argv[2]):
    if sys.argv[1]:
        bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
    else:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(arguments)
    told.append([code, out.getvalue(), err.getvalue()])
print("TOLD " + json.dumps(told), flush=True)
os._exit(0)
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


def run_all(runtime: Path, file: Path | None, lines: list[list[Any]]) -> list[tuple[int, str, str]]:
    """As ``run`` of each of these command lines, in one process: for many that end at once."""
    asked = json.dumps([[str(argument) for argument in line] for line in lines])
    command = [sys.executable, "-c", RUN_ALL, str(file or ""), asked]
    variables = {**os.environ, "EX4D_RUNTIME_DIR": str(runtime)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    return [(code, out, err) for code, out, err in json.loads(line.removeprefix("TOLD "))]


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


def result_of(out: str) -> dict[str, Any]:
    return next(event["result"] for event in events(out) if event["event"] == "done")


def test_what_is_said_of_a_film_plate_and_asked_of_its_take(runtime: Path, plate: Path, tmp_path: Path) -> None:
    lens = tmp_path / "lens.json"
    lens.write_text('{"model": "brown", "coefficients": {"k1": -0.05}}')
    folder, saved = tmp_path / "shot", tmp_path / "film.blend"
    arguments = ("reconstruct", "--plate", plate, "--shot", folder, "--viewport", 32, "--json", "--output", saved)
    refused = [
        (["--lens", ""], 2, "it is empty"),
        (["--colour-space", ""], 2, "it is empty"),
        (["--pixel-aspect", ""], 2, "it is empty"),
        (["--lens", tmp_path / "none.json"], 10, "none.json"),
    ]
    told = run_all(runtime, None, [[*arguments, *options] for options, _, _ in refused])
    for (code, out, err), (_, expected, words) in zip(told, refused, strict=True):
        assert (code, words in out) == (expected, True), err
    code, out, err = run(
        runtime, None, *arguments, "--lens", lens, "--pixel-aspect", "2", "--colour-space", "ACEScct", "--frames",
        "1002-1003", "--handles", "1", "--colour-matrix", "bt601", "--colour-range", "limited",
    )  # fmt: skip
    assert code == 0, out + err
    assert "The colour matrix is tagged BT.709: BT.601 is used, as was asked for." in out
    found = result_of(out)["plate"]
    assert (found["pixel_aspect"], found["colour"]["space"], found["handles"]) == ("2", "ACEScct", [1, 1])
    asked = ("--aov", "--movie", "prores4444", "--pictures", "codes", "--handles", "1", "--take-lens", "none")
    code, out, err = run(runtime, saved, "generate", "--move", "hold", "--json", "--output", saved, *asked)
    assert code == 0, out + err
    result = result_of(out)
    take = json.loads((Path(result["folder"]) / "take.json").read_text())
    assert Path(result["aov"]).is_dir()
    assert Path(result["edit_movie"]).name == "result.mov"
    assert (result["handles"], take["pictures"]["result"]) == ([1, 1], "result/result.####.png")
    assert "lens" not in take["camera"]
    # The file keeps its own settings.
    code, out, err = run(runtime, saved, "generate", "--json")
    assert code == 0, out + err
    result = result_of(out)
    take = json.loads((Path(result["folder"]) / "take.json").read_text())
    assert (result["aov"], result["edit_movie"], result["handles"]) == ("", "", [0, 0])
    assert take["pictures"]["result"] == "result/result.####.exr"
    assert take["camera"]["lens"]["model"] == "brown"


def test_render_and_generate(runtime: Path, blend: Path) -> None:
    code, out, err = run(runtime, blend, "render", "--move", "orbit:20", "--preview", "--json")
    assert code == 0, err
    done = events(out)[-1]
    assert done["event"] == "done"
    assert done["result"]["numbers"] == list(range(1001, 1007))
    assert 0.3 < min(done["result"]["coverage"]) < 1

    code, out, err = run(
        runtime,
        blend,
        "generate",
        "--move",
        "orbit:20",
        "--frames",
        "1002-1003",
        "--raster",
        "embree",
        "--save",
        "--json",
    )
    assert code == 0, err
    result = events(out)[-1]["result"]
    assert (result["numbers"], result["take"]) == ([1002, 1003], "v001")
    assert Path(result["movie"]).is_file()
    stages = [event["stage"] for event in events(out) if event["event"] == "progress"]
    assert "depth" not in stages
    # The saved file has the take: it is there by its name.
    code, out, err = run(runtime, blend, "generate", "--take", "Take 01", "--json")
    assert code == 0, err
    # The frames of one command are not those of the next.
    assert events(out)[-1]["result"]["numbers"] == list(range(1001, 1007))


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


#: Command lines that are refused, the exit code, and what the sentence names.
REFUSED = [
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
]


def check_refusal(told: tuple[int, str, str], code: int, words: str) -> None:
    """Fail unless a command ended with that code, a sentence with these words and a hint."""
    found, _, err = told
    assert found == code, err
    lines = [line for line in err.splitlines() if line.startswith(("error: ", "       "))]
    assert words in lines[0]
    assert len(lines) == 2


@pytest.fixture(scope="module")
def refusals(runtime: Path, blend: Path) -> list[tuple[int, str, str]]:
    """What one process answers to each of ``REFUSED``, then to each with ``--json``."""
    plain = [arguments for arguments, _, _ in REFUSED]
    return run_all(runtime, blend, [*plain, *([*arguments, "--json"] for arguments in plain)])


@pytest.mark.parametrize("index", range(len(REFUSED)))
def test_exit_codes(refusals: list[tuple[int, str, str]], index: int) -> None:
    _, code, words = REFUSED[index]
    check_refusal(refusals[index], code, words)
    found, out, _ = refusals[len(REFUSED) + index]
    last = events(out)[-1]
    assert (last["event"], last["exit_code"], found) == ("error", code, code)


@pytest.mark.parametrize("index", [0, 3])
def test_blender_ends_with_the_exit_code(runtime: Path, blend: Path, index: int) -> None:
    arguments, code, words = REFUSED[index]
    check_refusal(run(runtime, blend, *arguments), code, words)


def test_the_plate_s_options_are_those_of_the_panel(runtime: Path, plate: Path, tmp_path: Path) -> None:
    movie = Path(shutil.copy(plate, tmp_path / "street.mp4"))
    (tmp_path / "job").mkdir()
    code, out, err = run(
        runtime, None, "reconstruct", "--plate", movie, "--viewport", 32, "--fov", 40, "--thickness", 0.5,
        "--min-angle", 3, "--depth-ratio", 1.25, "--estimator", "small", "--output", tmp_path / "job" / "a.blend",
        "--json",
    )  # fmt: skip
    assert code == 0, err
    result = next(event for event in events(out) if event["event"] == "done")["result"]
    # Beside the file that is saved.
    folder = tmp_path / "job" / "ex4d" / "street"
    assert result["shot"] == str(folder)
    assert result["depth"]["name"] == "small"
    assert not any("field of view" in event["text"] for event in events(out) if event["event"] == "note")
    mesh = json.loads(next(folder.glob("cache/mesh-*/mesh.json")).read_text(encoding="utf-8"))
    settings = json.dumps(mesh)
    assert all(text in settings for text in ("3.0", "1.25", "0.5"))


def test_two_that_save_the_same_file_lose_nothing(runtime: Path, blend: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(blend, tmp_path / "job.blend"))
    first = start(runtime, file, "generate", "--move", "orbit:7", "--save", "--json")
    second = start(runtime, file, "generate", "--move", "orbit:8", "--save", "--json")
    ended = [process.communicate(timeout=120) for process in (first, second)]
    codes = [first.returncode, second.returncode]
    if sorted(codes) == [0, 30]:
        refused = events(ended[codes.index(30)][0])[-1]
        assert "was saved by another process" in refused["message"]
        assert "takes/v00" in refused["message"].replace(os.sep, "/")
        assert "Run the same command again" in refused["hint"]
        # As it says.
        move = ("orbit:7", "orbit:8")[codes.index(30)]
        code, _, err = run(runtime, file, "generate", "--move", move, "--save", "--json")
        assert code == 0, err
    else:
        # One had ended before the other read the file.
        assert codes == [0, 0], ended
    listing = (
        "import sys, bpy, addon_utils; addon_utils.enable('ex4d_blender', default_set=True);"
        "bpy.ops.wm.open_mainfile(filepath=sys.argv[1]); takes = bpy.context.scene.ex4d.takes;"
        "print('MOVES', sorted(t.camera['ex4d']['move'] for t in takes if len(t.versions)));"
        "sys.stdout.flush(); import os; os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing, str(file)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "'orbit:7', 'orbit:8']" in done.stdout


def test_a_file_that_changed_meanwhile_is_not_written_over(runtime: Path, blend: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(blend, tmp_path / "job.blend"))
    process = start(runtime, file, "generate", "--move", "orbit:9", "--save", "--json")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if '"progress"' in line:
            break
    with file.open("ab") as out:
        out.write(b"\0")
    rest, _ = process.communicate(timeout=120)
    last = events("".join(lines) + rest)[-1]
    assert (process.returncode, last["event"]) == (30, "error")
    assert file.read_bytes() == blend.read_bytes() + b"\0"


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
    process = start(
        runtime,
        None,
        "reconstruct",
        "--plate",
        movie,
        "--source-camera",
        "still",
        "--shot",
        tmp_path / "shot",
        "--json",
    )
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
