# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a .blend: of earlier versions, of newer ones, and of what a backend offers."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")
import addon_utils  # noqa: E402
import numpy as np  # noqa: E402
import results_factory  # noqa: E402
from ex4d_blender.core.capability_files import FORMAT  # noqa: E402
from viewport_factory import make_shot, write_png  # noqa: E402

from ex4d.protocol.capabilities import (  # noqa: E402
    Capabilities,
    EstimatorInfo,
    GeneratorInfo,
    OptionInfo,
    RasterizerInfo,
)
from ex4d.protocol.errors import TransientError, UsageError  # noqa: E402

pytest_plugins = ["addon_fixtures"]
ADDON = "ex4d_blender"
SEED_AND_PROMPT = (OptionInfo("seed", "Seed", "integer"), OptionInfo("prompt", "Prompt", "text"))
OFFERED = Capabilities(
    tuple(
        GeneratorInfo(name, f"{name} fill", "MIT", generative=bool(options), options=options)
        for name, options in (("preview", ()), ("exact", SEED_AND_PROMPT), ("fast", SEED_AND_PROMPT))
    ),
    tuple(EstimatorInfo(name, f"{name} depth", "MIT") for name in ("moge", "small")),
    (RasterizerInfo("embree", "Apache-2.0"),),
)


@pytest.fixture
def no_backend(runtime: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("EX4D_BACKEND_PYTHON", raising=False)


@pytest.fixture
def quiet(no_backend: None, addon: Any) -> Any:
    """The add-on where no backend is, or can be started."""
    return addon


@pytest.fixture
def disabled(no_backend: None) -> Iterator[None]:
    """The add-on is off at first; whatever enables it, it is off afterwards."""
    addon_utils.disable(ADDON, default_set=True)
    yield
    addon_utils.disable(ADDON, default_set=True)


def stored(scene: Any) -> Any:
    """The scene's properties as they lie in the file."""
    system = getattr(scene, "bl_system_properties_get", None)
    return system(do_create=True)["ex4d"] if system is not None else scene["ex4d"]


def store(scene: Any, values: dict[str, Any]) -> None:
    """What a version of the extension would have left in the file."""
    system = getattr(scene, "bl_system_properties_get", None)
    (system(do_create=True) if system is not None else scene)["ex4d"] = values


def welcome(jobs: Any, capabilities: Capabilities) -> None:
    jobs.current().link.client.welcome = results_factory.welcome(capabilities)


# Earlier versions


def test_a_file_of_0f2baa4_is_read_whole(quiet: Any, earlier_job: Path, tmp_path: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(earlier_job / "job.blend"))
    from ex4d_blender import migrations, props
    from ex4d_blender.core import records
    from ex4d_blender.scene import shot as shots

    scene = bpy.context.scene
    state = scene.ex4d
    assert state.version == records.VERSION
    (found,) = shots.find_shots(scene)
    assert found.root["ex4d"]["version"] == records.VERSION
    assert (found.folder, found.first_frame) == ("/tmp/job/ex4d/plate", 1001)
    assert [(take.name, take.camera.name, take.shot.name) for take in state.takes] == [
        ("Take 01", "Take 01", "plate"),
        ("Take 02", "Take 02", "plate"),
    ]
    assert [props.camera_state(scene, take) for take in state.takes] == ["own", "own"]
    assert [[version.name for version in take.versions] for take in state.takes] == [["v001"], ["v002"]]
    assert (state.profile, state.depth_source, state.viewport_side, state.with_mask) == ("preview", "auto", 32, True)
    strips = scene.sequence_editor
    names = {strip.name for strip in (strips.strips if hasattr(strips, "strips") else strips.sequences)}
    assert names == {"Take 01 v001", "Take 02 v002", "Take 02 v002 mask"}
    # Saved and opened again nothing is brought over twice.
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "again.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "again.blend"))
    assert bpy.context.scene.ex4d.version == records.VERSION
    assert migrations.migrate() == []
    assert [take.shot.name for take in bpy.context.scene.ex4d.takes] == ["plate", "plate"]


def sequence_users(path: Path) -> list[tuple[int, range]]:
    """Number and pictures of all image users that play the sequences of an opened file."""
    bpy.ops.wm.open_mainfile(filepath=str(path))
    found = [
        node.image_user
        for item in bpy.data.materials
        if item.node_tree is not None
        for node in item.node_tree.nodes
        if node.bl_idname == "ShaderNodeTexImage" and node.image is not None and node.image.source == "SEQUENCE"
    ]
    found += [item.image_user for camera in bpy.data.cameras for item in camera.background_images]
    return [
        (user.frame_current, range(user.frame_offset + 1, user.frame_offset + 1 + user.frame_duration))
        for user in found
    ]


def test_sequences_of_earlier_files_are_drawn_from_a_picture_that_exists(
    quiet: Any, earlier_job: Path, tmp_path: Path
) -> None:
    users = sequence_users(earlier_job / "job.blend")
    assert len(users) >= 2
    assert all(number in pictures for number, pictures in users)


def test_plate_and_preview_whose_number_no_picture_has_are_mended_at_load(quiet: Any, tmp_path: Path) -> None:
    from ex4d_blender.scene import background, material
    from ex4d_blender.scene import shot as shots

    bpy.ops.wm.read_homefile(use_empty=True)
    placed = shots.import_shot(bpy.context.scene, make_shot(tmp_path / "shot"))
    for number in placed.numbers:
        for kind in ("color", "mask"):
            write_png(tmp_path / "p" / kind / f"{kind}.{number}.png", np.full((8, 12, 3), 50, np.uint8))
    background.show_preview(placed.source_camera, results_factory.render_result(tmp_path / "p", placed.numbers))
    nodes = placed.mesh.data.materials[0].node_tree.nodes
    users = [nodes[name].image_user for name in (material.COLOR_NODE, material.VALID_NODE)]
    users.append(placed.source_camera.data.background_images[0].image_user)
    first, last = placed.numbers[0], placed.numbers[-1]
    users[0].frame_current, users[1].frame_current, users[2].frame_current = 0, last + 1, 0
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    found = sequence_users(tmp_path / "old.blend")
    assert [number for number, _ in found] == [first] * 3
    # What shows a picture is left at it.
    kept = shots.find_shots(bpy.context.scene)[0]
    user = kept.mesh.data.materials[0].node_tree.nodes[material.COLOR_NODE].image_user
    user.frame_current = last
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    assert sorted(number for number, _ in sequence_users(tmp_path / "old.blend")) == [first, first, last]


@pytest.mark.parametrize("through_a_file", [False, True])
def test_the_numbers_of_version_0_keep_their_meaning(disabled: None, tmp_path: Path, through_a_file: bool) -> None:
    from ex4d_blender.core.records import name_number

    store(bpy.context.scene, {"profile": 2, "depth_source": name_number("moge"), "seed": 7, "prompt": "a street"})
    if through_a_file:
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
        addon_utils.enable(ADDON, default_set=True)
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    else:
        # The extension is updated while the file is open.
        addon_utils.enable(ADDON, default_set=True)
    state = bpy.context.scene.ex4d
    assert (state.profile, state.depth_source, state.seed, state.prompt) == ("fast", "moge", 7, "a street")
    assert state.profile_menu == "fast"
    assert state.depth_menu == "moge"


def test_numbers_that_nobody_knows_become_no_other(disabled: None, caplog: pytest.LogCaptureFixture) -> None:
    store(bpy.context.scene, {"profile": 9, "depth_source": 77})
    addon_utils.enable(ADDON, default_set=True)
    from ex4d_blender import capabilities, job_list

    state = bpy.context.scene.ex4d
    assert (state.profile, state.depth_source) == ("number 9", "number 77")
    assert sum("number" in record.message for record in caplog.records) == 2
    welcome(job_list, OFFERED)
    with pytest.raises(UsageError, match="number 9"):
        capabilities.resolve_generator(state.profile, block=False)


def test_takes_of_version_0_without_a_camera(disabled: None) -> None:
    takes = [{"uid": "1", "name": "Scene Camera"}, {"uid": "2", "name": "hero B"}]
    store(bpy.context.scene, {"takes": takes})
    addon_utils.enable(ADDON, default_set=True)
    from ex4d_blender import props

    scene = bpy.context.scene
    assert [props.camera_state(scene, take) for take in scene.ex4d.takes] == ["scene", "missing"]


@pytest.mark.parametrize(
    ("number", "untouched", "amount", "found"),
    [(0, 0, 47.5, "orbit:47.5"), (1, 0, 30.0, "zoom_in:30"), (3, 0, 0.4, "dolly_in:0.4"), (0, 1, 47.5, "orbit")],
)
def test_the_one_amount_of_earlier_files_is_that_of_the_chosen_move(
    disabled: None, number: int, untouched: int, amount: float, found: str
) -> None:
    values = {"version": 1, "move": number, "move_default_amount": untouched, "move_amount": amount}
    store(bpy.context.scene, values)
    addon_utils.enable(ADDON, default_set=True)
    from ex4d_blender import migrations
    from ex4d_blender.ops.take_cameras import move_text

    state = bpy.context.scene.ex4d
    assert move_text(state, None) == found
    # What is set later stays: it is brought over once.
    state.move, state.amount_pan = "pan", math.radians(7)
    migrations.migrate()
    assert move_text(state, None) == "pan:7"
    state.move = "orbit" if number else "zoom_in"
    assert move_text(state, None) == state.move


@pytest.mark.parametrize(("ticked", "found"), [(1, "FRAMES"), (0, "ALL")])
def test_some_frames_of_earlier_files_are_a_frame_range(disabled: None, ticked: int, found: str) -> None:
    store(bpy.context.scene, {"version": 1, "use_frames": ticked, "frame_start": 1003, "frame_end": 1007})
    addon_utils.enable(ADDON, default_set=True)
    from ex4d_blender import migrations

    state = bpy.context.scene.ex4d
    assert (state.frame_range, state.frame_start, state.frame_end) == (found, 1003, 1007)
    # What is set later stays: it is brought over once.
    state.frame_range = "PREVIEW"
    migrations.migrate()
    assert state.frame_range == "PREVIEW"


def test_each_move_has_an_amount_of_its_own(quiet: Any) -> None:
    from ex4d_blender.core.move_amounts import AMOUNTS, property_name
    from ex4d_blender.ops.take_cameras import move_text

    from ex4d.camera import PRESETS, parse_preset

    state = bpy.context.scene.ex4d
    assert set(AMOUNTS) == set(PRESETS) - {"hold"}
    for move, amount in AMOUNTS.items():
        state.move = move
        assert move_text(state, None) == move
        for end in amount.limits:
            setattr(state, property_name(move), amount.to_property(end))
            assert parse_preset(move_text(state, None)).end == end
        setattr(state, property_name(move), 1e9)
        assert parse_preset(move_text(state, None)).end == amount.limits[1]
    # That of one says nothing of another.
    state.property_unset("amount_zoom_in")
    state.move, state.amount_orbit = "orbit", math.radians(30.5)
    assert move_text(state, None) == "orbit:30.5"
    state.move = "zoom_in"
    assert move_text(state, None) == "zoom_in"


# Newer versions


def test_a_scene_of_a_newer_version_is_left_alone(disabled: None, tmp_path: Path) -> None:
    scene = bpy.context.scene
    values = {"version": 99, "profile": "wondrous", "plate_path": "/plates/a.mov", "takes": [{"uid": "1"}]}
    store(scene, {**values, "pending": [{"job": "a", "action": "sing", "data": "{}"}]})
    addon_utils.enable(ADDON, default_set=True)
    from ex4d_blender import job_list

    before = dict(stored(scene).items())
    for operator in (bpy.ops.ex4d.add_take_camera, bpy.ops.ex4d.generate, bpy.ops.ex4d.match_scene):
        assert not operator.poll()
    with pytest.raises(RuntimeError, match="made by a newer EX-4D"):
        bpy.ops.ex4d.reconstruct()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "newer.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "newer.blend"))
    after = dict(stored(bpy.context.scene).items())
    assert (after["version"], after["profile"], len(after["takes"])) == (99, "wondrous", 1)
    assert set(after) == set(before)
    # Nor is what it waits for asked about.
    assert job_list.current().waiting == {}


def test_a_shot_of_a_newer_version_is_left_alone(quiet: Any, earlier_job: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(earlier_job / "job.blend"))
    from ex4d_blender.scene import shot as shots

    scene = bpy.context.scene
    root = shots.find_shot(scene).root
    root["ex4d"]["version"] = 99
    # As Blender does itself with what is changed in its interface.
    root.update_tag()
    bpy.context.view_layer.update()
    before = root["ex4d"].to_dict()
    assert shots.find_shots(scene) == []
    for operator in (bpy.ops.ex4d.generate, bpy.ops.ex4d.add_take_camera, bpy.ops.ex4d.preview_take):
        assert not operator.poll()
    with pytest.raises(RuntimeError, match="The shot «plate» was made by a newer EX-4D"):
        bpy.ops.ex4d.reconstruct()
    assert root["ex4d"].to_dict() == before


# Menus


def test_what_files_keep_as_numbers_never_changes(quiet: Any) -> None:
    """These are the numbers that files of 0f2baa4 have; items that come later get others."""
    from ex4d_blender import menus, props

    moves = ("orbit", "zoom_in", "zoom_out", "dolly_in", "dolly_out", "truck", "crane", "pan", "tilt", "figure_eight")
    moves += ("hold", "30", "60", "90", "180")
    assert [(item[0], item[3]) for item in props.MOVES if item[3] < 15] == list(
        zip(moves, range(len(moves)), strict=True)
    )
    for items, names in (
        (props.EASINGS, "DEFAULT linear in out in_out"),
        (props.DEPTH_KINDS, "AUTO depth disparity"),
        (menus.rasterizer_items(None, None), "auto opengl embree nvdiffrast"),
    ):
        assert [(item[0], item[3]) for item in items][: len(names.split())] == [
            (name, number) for number, name in enumerate(names.split())
        ]
    for items in (props.MOVES, props.EASINGS, props.DEPTH_KINDS, menus.rasterizer_items(None, None)):
        assert len({item[3] for item in items}) == len(items)


def test_a_menu_that_changes_leaves_the_choice(quiet: Any) -> None:
    state = bpy.context.scene.ex4d
    welcome(quiet, OFFERED)
    state.profile_menu = "fast"
    state.depth_menu = "moge"
    assert (state.profile, state.depth_source) == ("fast", "moge")
    welcome(quiet, Capabilities((OFFERED.generators[2], OFFERED.generators[0]), OFFERED.estimators[::-1]))
    assert (state.profile_menu, state.depth_menu) == ("fast", "moge")
    welcome(quiet, Capabilities(OFFERED.generators[:1], ()))
    # Gone from the backend, still the choice, and said to be gone.
    assert (state.profile_menu, state.depth_menu) == ("fast", "moge")
    from ex4d_blender import capabilities, menus

    assert "Not Offered" in next(item[1] for item in menus.generator_items(state, None) if item[0] == "fast")
    with pytest.raises(UsageError, match="no profile «fast»") as caught:
        capabilities.resolve_generator(state.profile, block=False)
    assert "preview" in caught.value.hint
    with pytest.raises(UsageError, match="no depth estimator «moge»"):
        capabilities.resolve_estimator(state.depth_source, block=False)


def test_what_was_offered_is_known_before_the_backend_runs(quiet: Any, tmp_path: Path) -> None:
    from ex4d_blender import capabilities

    with pytest.raises(TransientError, match="has not said yet whether it has the profile «fast»"):
        capabilities.resolve_generator("fast", block=False)
    welcome(quiet, OFFERED)
    assert [profile.name for profile in capabilities.generators()] == ["preview", "exact", "fast"]
    # Another start of Blender.
    quiet.current().link.client.welcome = None
    capabilities.forget()
    assert [profile.name for profile in capabilities.generators()] == ["preview"]
    capabilities.refresh()
    assert [profile.name for profile in capabilities.generators()] == ["preview", "exact", "fast"]
    assert capabilities.resolve_generator("fast", block=False).options == SEED_AND_PROMPT
    assert [rasterizer.name for rasterizer in capabilities.rasterizers()] == ["embree"]
    (file,) = tmp_path.glob("offers-*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    former = {"profiles": [{"name": "fast", "label": "", "licence": "", "takes_seed": True, "takes_prompt": True}]}
    for damaged in (
        b"",
        b"{",
        b"[]",
        json.dumps({"format": "ex4d-offers", "capabilities": {**former, "depth": []}}).encode(),
        json.dumps({"format": FORMAT, "capabilities": {"generators": 3}}).encode(),
        json.dumps({"format": FORMAT, "capabilities": {"generators": [{}], "estimators": []}}).encode(),
    ):
        file.write_bytes(damaged)
        capabilities.forget()
        capabilities.refresh()
        assert [profile.name for profile in capabilities.generators()] == ["preview"]
    # What is asked for by name is not known then, and no other.
    with pytest.raises(TransientError):
        capabilities.resolve_generator("fast", block=False)


# The command line


def test_options_out_of_range_are_usage(quiet: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from ex4d_blender import cli

    for arguments, words in (
        (["--fov", "500"], "no number from 1 to 170"),
        (["--fov", "nan"], "no number from 1 to 170"),
        (["--depth-ratio", "0.5"], "no number from 1.001 to 100"),
        (["--estimator", "small", "--depth-scale", "2"], "are for depth files"),
        (["--depth", "x", "--source-camera", "auto"], "depth files are given"),
        (["--source-camera", "auto", "--source-object", "Camera"], "Two source cameras"),
        (["--estimator", "small", "--depth", "x"], "not allowed with"),
        (["--save"], "no name yet"),
    ):
        assert cli.main(["reconstruct", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_options_reach_the_properties(quiet: Any) -> None:
    from ex4d_blender import cli

    state = bpy.context.scene.ex4d
    arguments = ["--fov", "40", "--thickness", "0.5", "--min-angle", "3", "--depth-ratio", "1.25"]
    cli.main(["reconstruct", "--plate", "p.mp4", *arguments, "--depth", "d.npz", "--camera-file", "c.json"])
    assert state.use_fov
    assert (round(state.fov, 5), state.thickness, state.min_angle, state.max_depth_ratio) == (0.69813, 0.5, 3.0, 1.25)
    assert (state.depth_source, Path(state.depth_path).name, Path(state.depth_camera).name) == (
        "FILES",
        "d.npz",
        "c.json",
    )


def test_source_cameras_of_the_command_line(quiet: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from ex4d_blender import cli

    state = bpy.context.scene.ex4d
    for said in ("auto", "still", "turns", "moves"):
        cli.main(["reconstruct", "--plate", "p.mp4", "--source-camera", said])
        assert state.source_camera == said
    for option in ("--source-camera", "--depth-camera", "--camera-file"):
        state.source_camera = "auto"
        cli.main(["reconstruct", "--plate", "p.mp4", option, "c.json"])
        assert (state.source_camera, Path(state.depth_camera)) == ("FILE", Path("c.json").absolute())
    camera = bpy.data.objects.new("Filmed", bpy.data.cameras.new("Filmed"))
    bpy.context.scene.collection.objects.link(camera)
    cli.main(["reconstruct", "--plate", "p.mp4", "--source-object", "Filmed"])
    assert (state.source_camera, state.source_object) == ("OBJECT", camera)
    cli.main(["reconstruct", "--plate", "p.mp4", "--mattes", "m.mp4"])
    assert Path(state.mattes_path) == Path("m.mp4").absolute()
    assert cli.main(["reconstruct", "--plate", "p.mp4", "--source-object", "Nobody"]) == 10
    assert "no camera «Nobody»" in capsys.readouterr().err


def test_depth_from_parallax_is_chosen_by_name(quiet: Any) -> None:
    from ex4d_blender import cli
    from ex4d_blender.ops.reconstruct import reconstruct_request

    state = bpy.context.scene.ex4d
    cli.main(["reconstruct", "--plate", "p.mp4", "--estimator", "parallax"])
    assert state.depth_menu == "parallax"
    assert reconstruct_request(bpy.context.scene, block=False)[0].depth.source == "parallax"


def test_a_lens_in_millimetres_reaches_the_request(quiet: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from ex4d_blender import cli
    from ex4d_blender.ops.reconstruct import reconstruct_request

    state = bpy.context.scene.ex4d
    cli.main(["reconstruct", "--plate", "p.mp4", "--focal", "27.3", "--sensor", "24.89"])
    depth = reconstruct_request(bpy.context.scene, block=False)[0].depth
    assert (depth.fov, depth.focal_mm, depth.sensor_mm) == (None, 27.3, 24.89)
    cli.main(["reconstruct", "--plate", "p.mp4", "--fov", "40"])
    depth = reconstruct_request(bpy.context.scene, block=False)[0].depth
    assert (round(depth.fov or 0, 4), depth.focal_mm, depth.sensor_mm) == (40, None, None)
    for wrong, words in (
        (["--focal", "27"], "sensor's width"),
        (["--focal", "0", "--sensor", "1"], "no number from 0.1"),
    ):
        assert cli.main(["reconstruct", "--plate", "p.mp4", *wrong]) == 2
        assert words in capsys.readouterr().err
    assert state.use_fov


def test_a_file_that_is_saved_by_another_while_it_is_read_is_not_written_over(quiet: Any, earlier_job: Path) -> None:
    from ex4d_blender import saved

    path = earlier_job / "job.blend"

    @bpy.app.handlers.persistent
    def another_saves(*_: object) -> None:
        with path.open("ab") as file:
            file.write(b"\0")

    bpy.app.handlers.load_post.insert(0, another_saves)
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path))
    finally:
        bpy.app.handlers.load_post.remove(another_saves)
    there = path.read_bytes()
    with pytest.raises(TransientError, match="was saved by another process"):
        saved.save(path, saved.expected(path), "takes/v009")
    assert path.read_bytes() == there
    # Read again without anybody between, it can be saved.
    bpy.ops.wm.open_mainfile(filepath=str(path))
    saved.save(path, saved.expected(path), "takes/v009")
    assert path.read_bytes() != there
