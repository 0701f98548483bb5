# SPDX-License-Identifier: GPL-3.0-or-later
"""A generator that only the backend knows, with options of its own: from the menu into the request, and into files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")
import addon_utils  # noqa: E402
from results_factory import generate_result, welcome  # noqa: E402
from viewport_factory import make_shot  # noqa: E402

from ex4d.protocol.capabilities import Capabilities, EstimatorInfo, GeneratorInfo, OptionInfo, RasterizerInfo  # noqa: E402
from ex4d.protocol.requests import ColourSpacesRequest, FillRequest, GenerateRequest  # noqa: E402

PREVIEW = GeneratorInfo("preview", "preview fill", "Apache-2.0", generative=False)
TOY = GeneratorInfo(
    "toy",
    "a toy that paints",
    "MIT",
    generative=True,
    options=(
        OptionInfo("seed", "Seed", "integer", 0, 0),
        OptionInfo("strokes", "Strokes", "integer", 12, 1, 50),
        OptionInfo("grain", "Grain", "number", 0.25, 0.0, 1.0),
        OptionInfo("style", "Style", "choice", None, choices=("oil", "ink")),
        OptionInfo("framed", "Framed", "flag"),
        OptionInfo("signature", "Signature", "text"),
        OptionInfo("canvas", "Canvas", "size"),
        OptionInfo("palette", "Palette", "file"),
    ),
)
OFFERED = Capabilities(
    (PREVIEW, TOY), (EstimatorInfo("small", "small depth", "MIT"),), (RasterizerInfo("embree", "MIT"),)
)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Requests that reach a backend which offers the toy; nobody answers them."""
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "runtime").mkdir(mode=0o700)
    addon_utils.enable("ex4d_blender", default_set=True)
    from ex4d_blender import backend_link, capabilities, job_list

    requests: list[Any] = []
    client = backend_link.current().client
    client.welcome = welcome(OFFERED)
    monkeypatch.setattr(backend_link.BackendLink, "connect", lambda *_, **__: None)
    monkeypatch.setattr(capabilities, "wait_until_known", capabilities.known)
    real = client.submit

    def submit(request: Any, **options: Any) -> str:
        if not isinstance(request, ColourSpacesRequest):
            requests.append(request)
        return real(request, **options)

    def wait(_jobs: Any, job: str, *_: Any) -> Any:
        return SimpleNamespace(result=generate_result(tmp_path / "v001", [1001]), notes=())

    monkeypatch.setattr(client, "submit", submit)
    monkeypatch.setattr(job_list.JobList, "wait", wait)
    yield requests
    addon_utils.disable("ex4d_blender", default_set=True)


@pytest.fixture
def take(asked: list[Any], scene: Any, tmp_path: Path) -> Any:
    from ex4d_blender.scene import shot as shots

    shots.import_shot(scene, make_shot(tmp_path))
    bpy.ops.ex4d.add_take_camera(move="orbit:10")
    return scene.ex4d.takes[0]


def row(take: Any, name: str) -> Any:
    (found,) = [item for item in take.options if (item.generator, item.name) == ("toy", name)]
    return found


class Layout:
    """A layout that remembers which properties and operators were drawn."""

    def __init__(self, drawn: list[tuple[Any, str]]) -> None:
        self.drawn = drawn

    def row(self, **_: Any) -> Layout:
        return Layout(self.drawn)

    def prop(self, owner: Any, name: str, **_: Any) -> None:
        assert name in owner.bl_rna.properties
        self.drawn.append((owner, name))

    def operator(self, name: str, **_: Any) -> None:
        self.drawn.append((None, name))


def drawn(take: Any) -> list[tuple[str, str]]:
    from ex4d_blender.ui.options import draw_options

    found: list[tuple[Any, str]] = []
    draw_options(Layout(found), take, TOY)
    return [(owner.name if owner is not None else "", name) for owner, name in found]


def test_an_option_reaches_the_request(asked: list[Any], take: Any, scene: Any) -> None:
    state = scene.ex4d
    assert len(take.options) == 0
    state.profile_menu = "toy"
    assert [item.name for item in take.options] == [option.name for option in TOY.options[1:]]
    # What nobody has given, the generator decides.
    state.seed = 3
    bpy.ops.ex4d.generate()
    assert asked[-1].fill == FillRequest("toy", {"seed": 3})

    for name, prop, value in (
        ("strokes", "integer", 20),
        ("grain", "number", 0.1),
        ("style", "choice", "ink"),
        ("framed", "flag", True),
        ("signature", "text", "me"),
        ("canvas", "text", "64x32"),
        ("palette", "path", "/inks/palette.png"),
    ):
        setattr(row(take, name), prop, value)
        row(take, name).given = True
    bpy.ops.ex4d.generate()
    request = asked[-1]
    assert isinstance(request, GenerateRequest)
    assert request.fill.options == {
        "seed": 3,
        "strokes": 20,
        "grain": 0.1,
        "style": "ink",
        "framed": True,
        "signature": "me",
        "canvas": "64x32",
        "palette": "/inks/palette.png",
    }


def test_the_command_gives_an_option(
    asked: list[Any], take: Any, scene: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from ex4d_blender import cli

    words = ["generate", "--take", take.name, "--profile", "toy", "--seed", "5"]
    assert cli.main([*words, "--option", "strokes=7", "--option", "framed=yes"]) == 0
    assert asked[-1].fill == FillRequest("toy", {"seed": 5, "strokes": 7, "framed": True})
    for wrong, said in (("strokes=99", "1 to 50"), ("brush=1", "no option «brush=1»"), ("strokes", "NAME=VALUE")):
        assert cli.main([*words, "--option", wrong]) == 2
        assert said in capsys.readouterr().err
    assert len(asked) == 1


def test_values_stay_with_the_take_while_their_generator_is_gone(
    asked: list[Any], take: Any, scene: Any, tmp_path: Path
) -> None:
    from ex4d_blender import backend_link

    state = scene.ex4d
    state.profile_menu = "toy"
    row(take, "strokes").integer, row(take, "strokes").given = 33, True
    row(take, "style").choice = "ink"
    client = backend_link.current().client
    client.welcome = welcome(Capabilities((PREVIEW,), ()))
    assert state.profile_menu == "toy"
    with pytest.raises(RuntimeError, match="no profile «toy»"):
        bpy.ops.ex4d.generate()
    state.profile_menu = "preview"
    bpy.ops.ex4d.generate()
    assert asked[-1].fill == FillRequest("preview", {})
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "toy.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "toy.blend"))
    take = bpy.context.scene.ex4d.takes[0]
    # Not offered now, the choice is still what it was.
    assert row(take, "style").choice == row(take, "style").text == "ink"
    client.welcome = welcome(OFFERED)
    bpy.context.scene.ex4d.profile_menu = "toy"
    assert (row(take, "strokes").integer, row(take, "strokes").given, row(take, "style").choice) == (33, True, "ink")
    bpy.ops.ex4d.generate()
    assert asked[-1].fill.options["strokes"] == 33


def test_another_take_has_values_of_its_own(asked: list[Any], take: Any, scene: Any) -> None:
    state = scene.ex4d
    state.profile_menu = "toy"
    row(take, "strokes").integer, row(take, "strokes").given = 33, True
    bpy.ops.ex4d.add_take_camera(move="orbit:20")
    first, second = scene.ex4d.takes
    assert (row(second, "strokes").integer, row(second, "strokes").given) == (12, False)
    bpy.ops.ex4d.generate()
    assert asked[-1].fill.options == {"seed": 0}
    state.active_take = 0
    bpy.ops.ex4d.generate()
    assert asked[-1].fill.options == {"seed": 0, "strokes": 33}
    assert len(first.options) == len(second.options) == 7


def test_numbers_stay_within_what_the_option_takes(asked: list[Any], take: Any, scene: Any) -> None:
    scene.ex4d.profile_menu = "toy"
    for prop, name, value, kept in (
        ("integer", "strokes", 99, 50),
        ("integer", "strokes", -4, 1),
        ("number", "grain", 3.0, 1.0),
        ("number", "grain", 0.5, 0.5),
    ):
        setattr(row(take, name), prop, value)
        assert getattr(row(take, name), prop) == kept
    row(take, "canvas").text, row(take, "canvas").given = "wide", True
    with pytest.raises(RuntimeError, match="size «wide» is not understood"):
        bpy.ops.ex4d.generate()
    assert asked == []


def test_options_are_drawn_by_their_kinds(asked: list[Any], take: Any, scene: Any) -> None:
    # A profile that was set without the menu: drawing adds nothing to the file, a button does.
    scene.ex4d.profile = "toy"
    assert drawn(take) == [("", "ex4d.show_options")]
    assert len(take.options) == 0
    assert bpy.ops.ex4d.show_options() == {"FINISHED"}
    assert [line for line in drawn(take) if line[1] != "given"] == [
        ("strokes", "integer"),
        ("grain", "number"),
        ("style", "choice"),
        ("framed", "flag"),
        ("signature", "text"),
        ("canvas", "text"),
        ("palette", "path"),
    ]


def test_a_version_knows_its_options_and_is_redone_with_them(
    asked: list[Any], take: Any, scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import job_list
    from ex4d_blender.core.deliveries import delivered_take
    from ex4d_blender.ops import generate
    from ex4d_blender.take_versions import add_version, version_options

    scene.ex4d.profile_menu = "toy"
    row(take, "strokes").integer, row(take, "strokes").given = 33, True
    bpy.ops.ex4d.generate()
    *_, waiting = job_list.current().waiting.values()
    assert waiting.data["options"] == {"strokes": 33}
    numbers = tuple(range(1001, 1006))
    result = generate_result(tmp_path / "shot" / "takes" / "v001", numbers, profile="toy")
    made = delivered_take(result, title=take.name, seed=8, prompt=None, options=waiting.data["options"])
    version = add_version(take, made)
    assert (version.seed, version_options(version)) == (8, {"strokes": 33})
    row(take, "strokes").integer = 2
    monkeypatch.setattr(generate, "read_take", lambda _folder: made)
    monkeypatch.setattr(generate, "read_trajectory", lambda _path: None)
    monkeypatch.setattr(generate, "json_bytes", lambda _trajectory: asked[-1].camera.trajectory)
    monkeypatch.setattr(generate.sequencer, "selected_strip", lambda _context: object())
    monkeypatch.setattr(generate.sequencer, "take_of_strip", lambda _strip: {"folder": made.folder})
    assert bpy.ops.ex4d.redo_take() == {"FINISHED"}
    assert asked[-1].fill == FillRequest("toy", {"seed": 8, "strokes": 33})
    version.options = "[[["
    bpy.ops.ex4d.redo_take()
    assert asked[-1].fill == FillRequest("toy", {"seed": 8})


def test_rasterizers_of_the_backend_are_in_the_menu_with_the_numbers_of_saved_files(
    asked: list[Any], scene: Any
) -> None:
    from ex4d_blender import backend_link, menus

    state = scene.ex4d
    assert [item[3] for item in menus.rasterizer_items(state, None)] == [0, 1, 2, 3]
    labels = {item[0]: item[1] for item in menus.rasterizer_items(state, None)}
    assert (labels["embree"], labels["opengl"]) == ("Embree", "OpenGL (Not Offered)")
    for name in ("auto", "opengl", "embree", "nvdiffrast"):
        state.rasterizer = name
        assert state.rasterizer == name
    rasterizers = (RasterizerInfo("embree", "MIT"), RasterizerInfo("vulkan", "MIT"))
    backend_link.current().client.welcome = welcome(Capabilities((PREVIEW,), (), rasterizers))
    state.rasterizer = "vulkan"
    assert state.rasterizer == "vulkan"
