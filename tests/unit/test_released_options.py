# SPDX-License-Identifier: Apache-2.0
"""The options of EX-4D's own recon.py and generate.py, each as it is spelled there."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Outcome, Run, make_depth, make_plate, runner
from media_factory import write_movie

from ex4d.camera import read_trajectory
from ex4d.camera.released import released_extrinsics
from ex4d.commands import generate, recon
from ex4d.commands.options import plate_request
from ex4d.commands.released import first_frames, released_fill, released_thickness
from ex4d.fill import create_generator
from ex4d.fill.ex4d_wan.generator import ModelFill
from ex4d.jobs.fills import create_generator as made_from
from ex4d.plate import open_plate
from ex4d.protocol.errors import BadInputError, UsageError


@pytest.fixture
def ex4d_command(capfd: Any) -> Run:
    return runner(capfd)


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plate(tmp_path_factory.mktemp("plate") / "plate.mp4")


def notes(outcome: Outcome) -> str:
    return " ".join(event["text"] for event in outcome.events if event["event"] == "note")


def parsed(command: Any, *arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


# ------------------------------------------------------------------------------------------------------------ recon.py


def test_all_options_of_recon(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    """As a script that calls recon.py would write them: it works, and what has no meaning is said."""
    out = tmp_path / "out"
    done = ex4d_command(
        "recon", "--input_video", plate, "--num_frames", 5, "--output_dir", out, "--only_first_frame", 1,
        "--save_depth", 1, "--cam", 180, "--save_camera", "--save_mesh", "--filter_type", "boundary",
        "--use_dwmesh", 0, "--input_size", 518, "--depth", make_depth(tmp_path / "d.npz", 5), "--raster", "embree",
        "--json",
    )  # fmt: skip
    assert done.result["frames"] == 5
    for option in ("--only_first_frame", "--save_depth", "--filter_type boundary", "--input_size"):
        assert option in notes(done)
    assert "--save_camera" not in notes(done)
    # camera_180.npz: rows of the OpenCV matrices flipped to OpenGL's, float32, one 3x3 K.
    trajectory = read_trajectory(out / "camera_180.json")
    radius = trajectory.centers()[:, 0].max() / np.sin(2 * np.pi * np.arange(5) / 4).max()
    with np.load(out / "camera_180.npz") as camera:
        assert camera["extrinsics"].dtype == camera["intrinsics"].dtype == np.float32
        assert camera["intrinsics"].shape == (3, 3)
        flipped = np.diag([1, -1, -1, 1]) @ released_extrinsics("180", 5, radius)
        np.testing.assert_allclose(camera["extrinsics"], flipped, atol=1e-5)
    assert (out / "DW-Mesh.ply").exists()


def test_their_defaults_have_nothing_to_say(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    done = ex4d_command(
        "recon", "--input_video", plate, "--num_frames", 8, "--output_dir", tmp_path / "out", "--only_first_frame", 0,
        "--save_depth", 0, "--filter_type", "angle", "--use_dwmesh", 1, "--depth", make_depth(tmp_path / "d.npz"),
        "--json",
    )  # fmt: skip
    assert done.code == 0
    assert not any(option in notes(done) for option in ("_frame", "_depth", "_type", "_dwmesh"))


def test_a_camera_to_save_is_missed(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    options = ["--depth", make_depth(tmp_path / "d.npz"), "--out", tmp_path / "out", "--json"]
    assert "without --cam" in notes(ex4d_command("recon", plate, "--save_camera", *options))


def test_first_frames(plate: Path) -> None:
    request = plate_request(parsed(recon, plate, "--out", "o", "--first-frame", 11))
    assert first_frames(request, 5)[0].frames == "11-15"
    # The whole plate is the same shot as without the option.
    assert first_frames(request, 8) == first_frames(request, None) == (request, [])
    chosen, (note,) = first_frames(request, 49)
    assert chosen == request
    assert "8 frames" in note
    with pytest.raises(UsageError, match="none"):
        first_frames(request, 0)
    with pytest.raises(UsageError, match="both"):
        first_frames(plate_request(parsed(recon, plate, "--out", "o", "--frames", "1001-1002")), 2)


def test_faces_that_are_deleted_hide_nothing(plate: Path) -> None:
    for options, thickness in (
        (["--use_dwmesh", 0], 0),
        (["--use_dwmesh", 0, "--thickness", 0], 0),
        (["--use_dwmesh", 1, "--thickness", 2], 2),
    ):
        args = parsed(recon, plate, "--out", "o", *options)
        released_thickness(args)
        assert args.thickness == thickness
    with pytest.raises(UsageError, match="contradict"):
        released_thickness(parsed(recon, plate, "--out", "o", "--use_dwmesh", 0, "--thickness", 2))


def test_any_whole_angle_is_a_camera(ex4d_command: Run, plate: Path, tmp_path: Path) -> None:
    depth = ["--depth", make_depth(tmp_path / "d.npz"), "--out", tmp_path / "out", "--raster", "embree", "--json"]
    assert ex4d_command("recon", plate, "--cam", 45, "--cam=-30", *depth).code == 0
    x = [read_trajectory(tmp_path / "out" / f"camera_{name}.json").centers()[-1, 0] for name in ("45", "-30")]
    assert x[0] > 0 > x[1]


# --------------------------------------------------------------------------------------------------------- generate.py


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Options with a render of 8 frames, a grey level each, and its mask."""
    folder = tmp_path_factory.mktemp("movies")
    mask = np.full((64, 96, 3), 255, np.uint8)
    mask[:, :48] = 0
    write_movie(folder / "mask.mp4", [mask] * 8, fps=25, matrix="bt709")
    colors = [np.full((64, 96, 3), 40 + 20 * index, np.uint8) for index in range(8)]
    write_movie(folder / "color.mp4", colors, fps=25, matrix="bt709")
    return ["--color_video", folder / "color.mp4", "--mask_video", folder / "mask.mp4"]


def greys(movie: Path) -> list[int]:
    return [round((float(frame.pixels[:, 60:].mean()) - 40) / 20) for frame in open_plate(movie).frames()]


def test_options_of_generate_without_a_model(ex4d_command: Run, movies: list[object], tmp_path: Path) -> None:
    out = tmp_path / "o.mp4"
    done = ex4d_command(
        "generate", *movies, "--output_video", out, "--height", 512, "--width", 512, "--num_frames", 49, "--device",
        "cuda", "--seed", 0, "--num_inference_steps", 25, "--json",
    )  # fmt: skip
    assert done.code == 0, done.out
    assert "no use for --seed, --num_inference_steps, --height, --width, --device" in notes(done)
    assert "8 frames, fewer than --num_frames 49" in notes(done)
    assert greys(out) == list(range(8))


def test_frames_are_spread_evenly(ex4d_command: Run, movies: list[object], tmp_path: Path) -> None:
    out = tmp_path / "o.mp4"
    done = ex4d_command("generate", *movies, "--output_video", out, "--num_frames", 3, "--json")
    assert greys(out) == [0, 3, 7]
    assert "3 of 8 frames" in notes(done)
    assert len(done.result["generated"]) == 3
    assert any("3 of 8" in note for note in done.result["notes"])
    assert ex4d_command("generate", *movies, "--output_video", out, "--num_frames", 0, "--json").refused(2)


def generator(*options: object) -> ModelFill:
    made = made_from(released_fill(parsed(generate, *options))[0])
    assert isinstance(made, ModelFill)
    return made


def test_the_models_options() -> None:
    made = generator("--fill", "exact", "--num_inference_steps", 7, "--seed", 3, "--width", 832, "--height", 480)
    assert (made.profile.steps, made.seed, made.options.size) == (7, 3, (832, 480))
    assert "7 steps" in made.label
    assert generator("--fill", "exact", "--width", 256).options.size == (256, 512)
    plain, same = generator("--fill", "exact"), generator("--fill", "exact", "--num_inference_steps", 25)
    assert plain.profile == same.profile
    draft = create_generator("draft", {"steps": 6})
    assert "6 distilled steps" in draft.label


def test_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", "cuda")
    generator("--fill", "exact", "--device", "cpu")
    assert os.environ["EX4D_DEVICE"] == "cpu"


RELEASED = {
    "--ex4d_path": "EX-4D/ex4d.ckpt",
    "--text_encoder_path": "Wan/models_t5_umt5-xxl-enc-bf16.pth",
    "--vae_path": "Wan/Wan2.1_VAE.pth",
    "--clip_path": "Wan/models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",
}
SHARDS = [f"diffusion_pytorch_model-0000{index}-of-00007.safetensors" for index in (1, 2)]


@pytest.fixture
def released_models(tmp_path: Path) -> Path:
    """Empty files in the layout of the released model."""
    folder = tmp_path / "models"
    for name in (*RELEASED.values(), *(f"Wan/{shard}" for shard in SHARDS), "Wan/google/umt5-xxl/tokenizer.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_the_models_paths(released_models: Path) -> None:
    """All parts are named; the folder of the transformer holds others too, which are not taken twice."""
    options = [part for option, name in RELEASED.items() for part in (option, released_models / name)]
    fill, notes = released_fill(parsed(generate, *options, "--dit_dir", f"{released_models / 'Wan'}/"))
    made = made_from(fill)
    assert made.name == "exact"
    assert "--fill exact" in notes[0]
    assert isinstance(made, ModelFill)
    wan = released_models / "Wan"
    files = [released_models / name for name in RELEASED.values()] + [wan / shard for shard in SHARDS]
    assert sorted(made.places) == sorted([*files, wan / "google" / "umt5-xxl"])


def test_one_named_file_takes_the_place_of_its_part(
    released_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EX4D_MODELS", str(released_models))
    own = tmp_path / "own.ckpt"
    own.touch()
    places = generator("--ex4d_path", own, "--fill", "fast").places
    names = [place.name for place in places]
    assert own in places
    assert "ex4d.ckpt" not in names
    assert {"Wan2.1_VAE.pth", "tokenizer.json", *SHARDS} <= set(names)


def test_model_options_that_cannot_be(tmp_path: Path) -> None:
    for options, words in (
        (["--num_inference_steps", 0], "0 steps"),
        (["--num_inference_steps", 1001], "1001 steps"),
        (["--seed", -1], "seed -1"),
        (["--width", 64, "--fill-size", "64x64"], "twice"),
        (["--width", -3], "-3x512"),
    ):
        with pytest.raises(UsageError, match=words):
            generator("--fill", "exact", *options)
    with pytest.raises(BadInputError, match="no model folder"):
        generator("--dit_dir", tmp_path / "none")
    with pytest.raises(UsageError, match="steps"):
        generator("--fill", "preview", "--num_inference_steps", 25)


@pytest.mark.parametrize("name", ["color_hold.mp4", "mask_hold.mp4", "camera_hold.npz", "DW-Mesh.ply"])
def test_results_of_the_released_script_are_not_written_over(
    ex4d_command: Run, plate: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"precious")
    options = ["--depth", make_depth(tmp_path / "d.npz"), "--cam", "hold", "--raster", "embree", "--json"]
    failed = ex4d_command("recon", plate, "--save_mesh", "--out", out, *options)
    assert "no earlier result" in failed.refused(10)
    assert [path.name for path in out.iterdir()] == [name]
    # Beside it, and again in the same place: our own are replaced.
    shot, renders = tmp_path / "shot", tmp_path / "renders"
    for _ in range(2):
        assert ex4d_command("recon", plate, "--save_mesh", "--out", shot, *options).code == 0
        assert ex4d_command("render", shot, "--out", renders, *options[2:]).code == 0
    if name != "DW-Mesh.ply":
        assert "no earlier result" in ex4d_command("render", shot, "--out", out, *options[2:]).refused(10)


# -------------------------------------------------------------------------------------------------------- output_video


def test_an_earlier_result_is_replaced(ex4d_command: Run, movies: list[object], tmp_path: Path) -> None:
    out = tmp_path / "o.mp4"
    for count in (2, 8):
        assert ex4d_command("generate", *movies, "--output_video", out, "--num_frames", count, "--json").code == 0
        assert len(greys(out)) == count


@pytest.mark.parametrize("content", [b"{}", b'{"format": "ex4d-shot"}', b"not json", b"[" * 100_000, None])
def test_a_file_of_somebody_else_is_not(
    ex4d_command: Run, movies: list[object], tmp_path: Path, content: bytes | None
) -> None:
    """A movie without our record beside it, or any other file where the record would be written."""
    out, record = tmp_path / "o.mp4", tmp_path / "o.json"
    if content is None:
        out.write_bytes(b"precious")
    else:
        record.write_bytes(content)
    failed = ex4d_command("generate", *movies, "--output_video", out, "--json")
    assert "no earlier result" in failed.refused(2)
    assert (out if content is None else record).read_bytes() == (content or b"precious")
    assert len(list(tmp_path.iterdir())) == 1


def test_the_record_says_what_it_is(ex4d_command: Run, movies: list[object], tmp_path: Path) -> None:
    assert ex4d_command("generate", *movies, "--output_video", tmp_path / "o.mp4", "--json").code == 0
    assert json.loads((tmp_path / "o.json").read_text())["format"] == "ex4d-filled-movie"
