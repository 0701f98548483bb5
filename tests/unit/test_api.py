# SPDX-License-Identifier: Apache-2.0
"""The public Python API, and the jobs that the command line can do besides."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import Run, make_depth, make_plate, runner

from ex4d import api
from ex4d.protocol.requests import REQUESTS
from ex4d.protocol.results import RESULTS

EXAMPLE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def ex4d_command(capfd: Any) -> Run:
    return runner(capfd)


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    plate = make_plate(folder / "plate.mp4", 3)
    depth = api.DepthRequest(str(make_depth(folder / "depth.npz", 3)))
    made = api.reconstruct(plate, folder / "shot", depth=depth)
    assert (made.shot, made.viewport, made.plate.numbers) == (str(folder / "shot"), "", (1001, 1002, 1003))
    return folder / "shot"


def test_the_documents_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    make_plate(tmp_path / "plate.mp4", 4)
    monkeypatch.chdir(tmp_path)
    (source,) = re.findall(r"```python\n(.*?)```", EXAMPLE.read_text(encoding="utf-8"), re.S)
    exec(compile(source, str(EXAMPLE), "exec"), {})
    told = capfd.readouterr().out.splitlines()
    assert told[0].startswith("3 frames of ")
    assert told[1].startswith("shot/takes/v001/result.mp4: ")
    assert told[2] == "out/DW-Mesh.ply out/color_orbit_20.mp4"
    assert "holds no reconstructed plate" in told[3]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"mask_orbit_20.mp4", "camera_orbit_20.npz"}


def test_every_job_has_a_request_a_result_and_a_module() -> None:
    assert list(REQUESTS) == list(RESULTS)
    for name in REQUESTS:
        module = Path(api.__file__).parent / "jobs" / f"{name}.py"
        assert module.exists() or name == "free_memory"


def test_a_preview_and_a_viewport_of_the_command_line_are_the_services(
    shot: Path, tmp_path: Path, ex4d_command: Run
) -> None:
    made = ex4d_command("viewport", shot, "--side", 32, "--json")
    folder = Path(made.result["viewport"])
    assert json.loads((folder / "viewport.json").read_text(encoding="utf-8"))["format"] == "ex4d-viewport"
    assert (folder / "mesh.pc2").is_file()
    assert api.viewport(shot, 32).viewport == str(folder)
    assert "out of range" in ex4d_command("viewport", shot, "--side", 8, "--json").refused(2)

    done = ex4d_command("render", shot, "--cam", "orbit:20", "--preview", "--raster", "embree", "--json")
    (preview,) = done.result["previews"]
    assert preview["camera"] == "orbit:20"
    known = api.preview(shot, api.MoveCamera("orbit:20"), raster="embree")
    assert preview["color"] == known.color
    assert list(preview["coverage"].values()) == list(known.coverage)
    assert len(list(Path(known.color).iterdir())) == 3
    refused = ex4d_command("render", shot, "--cam", "180", "--preview", "--out", tmp_path, "--json")
    assert "takes no --out" in refused.refused(2)


def test_a_camera_file_is_the_same_camera_everywhere(shot: Path, tmp_path: Path) -> None:
    files = api.export(shot, tmp_path / "out", cameras=(api.MoveCamera("orbit:20"),), raster="embree")
    camera = api.read_camera(files.renders[0].trajectory)
    rendered = api.render(shot, camera, raster="embree")
    # The same stage as the move's own.
    assert rendered.folder == api.render(shot, api.MoveCamera("orbit:20"), raster="embree").folder
    assert api.check(shot).whole


def test_the_camera_of_a_plate_is_exported_solved_or_not(shot: Path, tmp_path: Path, ex4d_command: Run) -> None:
    files = api.export(shot, tmp_path / "out", source_camera=("json", "colmap", "chan")).source_camera
    assert {name: Path(path).name for name, path in files.items()} == {
        "json": "source_camera.json",
        "colmap": "source_camera_colmap",
        "chan": "source_camera.chan",
    }
    own, model = (api.read_camera(files[name]) for name in ("json", "colmap"))
    assert json.loads(own.trajectory)["frames"][0]["E"] == json.loads(model.trajectory)["frames"][0]["E"]
    # Nothing was solved, so there are no points.
    assert all(line[0] == "#" for line in Path(files["colmap"], "points3D.txt").read_text().splitlines())
    plate, depth = shot.parent / "plate.mp4", shot.parent / "depth.npz"
    options = ["--depth", depth, "--out", tmp_path / "shot", "--json", "--export-camera"]
    done = ex4d_command("recon", plate, *options, "json,chan")
    assert set(done.result["files"]) == {"source_camera_json", "source_camera_chan"}
    assert "no camera format «abc»" in ex4d_command("recon", plate, *options, "abc").refused(2)


def test_an_export_writes_no_file_twice(shot: Path, tmp_path: Path) -> None:
    """Cameras that came as no file have no names, and two moves of one name may turn about different points."""
    move = api.MoveCamera("orbit:20")
    (render,) = api.export(shot, tmp_path / "first", cameras=(move,), raster="embree").renders
    trajectory = Path(render.trajectory).read_bytes()
    unnamed = api.TrajectoryCamera(trajectory), api.TrajectoryCamera(trajectory.replace(b"1001", b"1000"))
    for cameras, names in (
        ((move, api.MoveCamera("orbit:20", pivot="2")), "orbit:20 and orbit:20"),
        (unnamed, "without a name and without a name"),
    ):
        with pytest.raises(api.Ex4dError, match=f"The cameras {names} would both write"):
            api.export(shot, tmp_path / "second", cameras=cameras, raster="embree")
    assert not (tmp_path / "second").exists()
    assert len(api.export(shot, tmp_path / "second", cameras=(move, move), raster="embree").renders) == 2


@pytest.mark.parametrize("module", ["ex4d", "ex4d.jobs", "ex4d.protocol.requests", "ex4d.protocol.results"])
def test_what_blender_and_the_front_import_stays_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "torch", "av", "zmq"} & set(done.stdout.split())
