# SPDX-License-Identifier: Apache-2.0
"""The rasterizer is made once, and one that had to fall back is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run, make_depth, make_plate, runner

from ex4d.camera import intrinsics_from_fov, static_trajectory
from ex4d.mesh import MeshSettings, build_mesh, far_plane
from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.raster import Rasterizer, borrow_rasterizer, select
from ex4d.raster.kept import KeptRasterizer

COUNT, SIZE = 2, {"width": 48, "height": 32}
WHY = "OpenGL is broken here. Mend it. The rasterizer «embree» is used meanwhile."


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., list[object]]:
    plate = make_plate(tmp_path / "plate.mp4", COUNT, **SIZE)
    depth = make_depth(tmp_path / "depth.npz", COUNT, **SIZE)

    def made(camera: str, *options: object, **_: object) -> list[object]:
        shot = tmp_path / "shot"
        return ["run", plate, "--depth", depth, "--fov", 50, "--cam", camera, "--out", shot, "--json", *options]

    return made


def broken() -> Rasterizer:
    raise ResourceError("OpenGL is broken here.", "Mend it.")


def notes(events: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in events if event["event"] == "note"]


def test_a_fallback_is_named_wherever_it_is_reported(
    command: Callable[..., list[object]], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(select.RASTERIZERS, "opengl", broken)
    outcome = run(*command("orbit:10"))
    take = Path(outcome.result["takes"][0]["folder"])
    assert WHY in notes(outcome.events)
    record = json.loads((take / "take.json").read_text())
    assert record["raster"]["name"] == "embree"
    assert WHY in record["notes"]
    (raster,) = (tmp_path / "shot" / "cache").glob("raster-*/raster.json")
    assert json.loads(raster.read_text())["notes"] == [WHY]
    # Also where all was there already.
    again = run(*command("orbit:10"))
    assert again.ran() == []
    assert WHY in notes(again.events)


def test_a_fallback_is_named_where_the_pictures_were_there_already(
    command: Callable[..., list[object]], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*command("orbit:10", "--raster", "embree"))
    shutil.rmtree(tmp_path / "shot" / "takes")
    monkeypatch.setitem(select.RASTERIZERS, "opengl", broken)
    outcome = run(*command("orbit:10"))
    assert outcome.ran() == ["composite"]
    record = json.loads((Path(outcome.result["takes"][0]["folder"]) / "take.json").read_text())
    assert WHY in record["notes"]
    assert WHY in notes(outcome.events)


def test_no_fallback_no_note(command: Callable[..., list[object]], run: Run, tmp_path: Path) -> None:
    run(*command("orbit:10", "--raster", "embree"))
    (raster,) = (tmp_path / "shot" / "cache").glob("raster-*/raster.json")
    assert json.loads(raster.read_text())["notes"] == []


@pytest.mark.parametrize("name", ["opengl", "embree"])
def test_a_run_makes_one_rasterizer(
    command: Callable[..., list[object]], run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made = []
    make = select.RASTERIZERS[name]

    def counted() -> Rasterizer:
        made.append(name)
        return make()

    monkeypatch.setitem(select.RASTERIZERS, name, counted)
    options = () if name == "opengl" else ("--raster", name)
    for camera in ("orbit:10", "truck:0.1"):
        assert run(*command(camera, *options)).ran()[-1] == "composite"
    assert made == [name]


def _view(side: int) -> Any:
    camera = static_trajectory(intrinsics_from_fov(50, side, side), side, side, 1)[0]
    depth = np.full((side, side), 2, np.float32)
    mesh = build_mesh(depth, camera, far_plane(2.0, 2.0), None, MeshSettings())
    return mesh, np.full((side, side, 3), 99, np.uint8), camera


@pytest.mark.parametrize("name", ["opengl", "embree"])
def test_what_is_given_back_serves_again_at_any_size(name: str) -> None:
    for side in (32, 48, 32):
        rasterizer, failures = borrow_rasterizer(name)
        (frame,) = rasterizer.render_sequence([_view(side)])
        assert frame.color.shape == (side, side, 3)
        assert (frame.color == 99).all()
        rasterizer.close()
        assert failures == ()


def test_a_rasterizer_that_fails_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Failing:
        name, device, licence = "embree", "", ""

        def render_sequence(self, views: object, *, positions: bool = False) -> Any:
            raise RuntimeError("the driver is gone")
            yield

    monkeypatch.setitem(select.RASTERIZERS, "embree", lambda: made.append(1) or Failing())
    for _ in range(2):
        rasterizer, _ = borrow_rasterizer("embree")
        assert isinstance(rasterizer, KeptRasterizer)
        with pytest.raises(RuntimeError):
            list(rasterizer.render_sequence([]))
    assert len(made) == 2


def test_another_device_is_another_rasterizer(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = select.RASTERIZERS["embree"]
    monkeypatch.setitem(select.RASTERIZERS, "embree", lambda: made.append(1) or make())
    for device in ("cpu", "cpu", "cuda:1"):
        monkeypatch.setenv("EX4D_DEVICE", device)
        borrow_rasterizer("embree")
    assert len(made) == 2


def test_none_of_that_name() -> None:
    with pytest.raises(UsageError):
        borrow_rasterizer("crayon")


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells")
def test_memory_of_many_takes() -> None:
    """300 times borrowed and given back, at two sizes."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

    views = [_view(48), _view(64)]

    def use(times: int) -> None:
        for index in range(times):
            rasterizer, _ = borrow_rasterizer("opengl")
            list(rasterizer.render_sequence([views[index % 2]]))
            rasterizer.close()

    use(30)
    before = resident()
    use(300)
    print(f"300 times borrowed: {resident() - before:+.1f} MiB")
    assert resident() - before < 4
