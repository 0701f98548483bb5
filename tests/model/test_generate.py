# SPDX-License-Identifier: Apache-2.0
"""Takes filled by the model, from the command line and as a library, at toy size on the CPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file

from ex4d.camera import read_trajectory, write_json
from ex4d.cli import main
from ex4d.diffusion import EX4DPipeline
from ex4d.fill import TakeFrame, create_generator
from ex4d.fill.base import OtherFrame
from ex4d.fill.ex4d_wan import host as host_module
from ex4d.fill.ex4d_wan.clip import Clip, check_size, make_clip, model_size
from ex4d.fill.ex4d_wan.conditioning import token_count
from ex4d.fill.ex4d_wan.generator import ModelFill
from ex4d.fill.ex4d_wan.host import ModelHost, Request, clip_tensors
from ex4d.fill.ex4d_wan.options import ModelOptions
from ex4d.fill.ex4d_wan.profiles import PROFILES
from ex4d.fill.ex4d_wan.weight_source import FileWeights
from ex4d.media.images import read_image
from ex4d.models import runtime
from ex4d.models.locations import models_fingerprint
from ex4d.models.memory_plan import LayoutName, MemoryPlan
from ex4d.models.wan.prompts import cached_embeddings
from ex4d.protocol.errors import BadInputError, ResourceError, UsageError
from ex4d.system.progress import Silent

WIDTH, HEIGHT = 96, 64


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> None:
    """No test sees the user's models, caches or warm model."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("EX4D_MODELS", str(model_folder))
    monkeypatch.setattr(host_module, "_host", None)
    monkeypatch.setattr(runtime, "_runtime", None)


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of a square before a wall."""
    folder = tmp_path_factory.mktemp("plate")
    rng = np.random.default_rng(3)
    wall = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 3)
    for index in range(6):
        picture = wall.copy()
        picture[20:44, 20 + 6 * index : 40 + 6 * index] = (40, 90, 220)
        cv2.imwrite(str(folder / f"plate.{1001 + index}.png"), picture)
    return folder


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_plate_is_reshot_by_the_model(plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = tmp_path / "shot"
    options = ["--cam", "orbit:25", "--fill", "exact", "--fill-size", "96x64", "--seed", "3", "--json"]
    assert run("run", plate, "--source-camera", "still", "--out", shot, *options) == 0
    told = events(capsys)
    stages = [event["stage"] for event in told if event["event"] == "begin"]
    assert stages[stages.index("raster") :] == [
        "raster",
        # Divided into what follows.
        "fill",
        "read",
        "prompt",
        "load",
        "encode",
        "denoise",
        "decode",
        "composite",
    ]
    steps = [event for event in told if event["event"] == "step" and event["stage"] == "denoise"]
    assert steps[-1]["step"] == steps[-1]["of"] == 25
    take = Path(told[-1]["result"]["takes"][0]["folder"])
    record = json.loads((take / "take.json").read_text(encoding="utf-8"))
    match = record["fill"].pop("colour_match")
    assert len(match["curves"]) == 3
    assert match["pairs"] > 0
    assert record["fill"] == {
        "name": "exact",
        "label": PROFILES["exact"].label,
        "licence": record["fill"]["licence"],
        "generative_model": True,
        "seed": 3,
        "prompt": "4K ultra HD, surround motion, realistic tone, panoramic shot, wide-angle view, cinematic quality",
    }
    assert "Apache-2.0" in record["fill"]["licence"]
    assert any("held for 3 more" in note for note in record["notes"])
    assert "torch" in record["versions"]
    # What the plate showed is still there: only holes were generated.
    for frame in (1001, 1006):
        result, mask = read_image(take / "result" / f"result.{frame}.png"), take / "mask" / f"mask.{frame}.png"
        seen = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 0
        raster = next((shot / "cache").glob("raster-*"))
        color = read_image(raster / "color" / f"{frame:06}.png")
        inner = cv2.erode(seen.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert np.abs(result[inner].astype(int) - color[inner]).max() <= 1
    # The first frame is the plate's view and has no holes.
    assert record["frames"][0]["generated"] < 0.01 < record["frames"][5]["generated"]


def test_the_same_again_is_there_already_and_a_seed_makes_another(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = tmp_path / "shot"
    assert run("recon", plate, "--source-camera", "still", "--out", shot, "--json") == 0
    common = ["generate", shot, "--cam", "orbit:20", "--fill", "fast", "--fill-size", "64x48", "--json"]
    assert run(*common) == 0
    capsys.readouterr()
    assert run(*common) == 0
    again = events(capsys)
    assert [event["stage"] for event in again if event["event"] == "begin"] == ["raster", "fill", "composite"]
    assert again[-1]["result"]["takes"][0]["folder"].endswith("v001")
    assert run(*common, "--seed", "1") == 0
    assert events(capsys)[-1]["result"]["takes"][0]["folder"].endswith("v002")
    assert run(*common, "--prompt", "a house by the sea") == 0
    assert events(capsys)[-1]["result"]["takes"][0]["folder"].endswith("v003")
    one, two = (read_image(shot / "takes" / name / "result" / "result.1006.png") for name in ("v001", "v002"))
    assert np.abs(one.astype(int) - two).max() > 8


def test_two_movies_as_the_released_script_takes_them(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = tmp_path / "shot"
    assert run("recon", plate, "--source-camera", "still", "--out", shot, "--json") == 0
    assert run("render", shot, "--cam", "orbit:20", "--json") == 0
    rendered = events(capsys)[-1]["result"]["renders"][0]["files"]
    code = run(
        "generate",
        *("--color_video", rendered["color"], "--mask_video", rendered["mask"]),
        *("--output_video", tmp_path / "out.mp4", "--fill", "exact", "--fill-size", "96x64", "--json"),
    )
    assert code == 0, capsys.readouterr()
    assert (tmp_path / "out.mp4").stat().st_size > 1000


def test_the_released_scripts_own_command_line(
    plate: Path,
    tmp_path: Path,
    model_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its files of the model are used, and no others; its steps and size too. Few frames are picked."""
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path / "none"))
    shot, wan = tmp_path / "shot", model_folder / "Wan2.1-I2V-14B-480P"
    assert run("recon", plate, "--source-camera", "still", "--out", shot, "--json") == 0
    assert run("render", shot, "--cam", "orbit:20", "--json") == 0
    rendered = events(capsys)[-1]["result"]["renders"][0]["files"]
    monkeypatch.setenv("EX4D_DEVICE", "nonsense")
    code = run(
        "generate",
        *("--color_video", rendered["color"], "--mask_video", rendered["mask"]),
        *("--output_video", tmp_path / "out.mp4", "--height", 64, "--width", 96, "--num_frames", 5, "--device", "cpu"),
        *("--seed", 4, "--num_inference_steps", 2, "--ex4d_path", model_folder / "EX-4D" / "ex4d.ckpt"),
        *("--text_encoder_path", wan / "models_t5_umt5-xxl-enc-bf16.pth", "--vae_path", wan / "Wan2.1_VAE.pth"),
        *("--clip_path", wan / "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth", "--dit_dir", wan, "--json"),
    )
    told = events(capsys)
    assert code == 0, told[-1]
    record = told[-1]["result"]
    assert (record["fill"]["name"], record["fill"]["seed"]) == ("exact", 4)
    assert "2 steps" in record["fill"]["label"]
    assert len(record["generated"]) == 5
    denoise = [event for event in told if event["event"] == "begin" and event["stage"] == "denoise"]
    assert denoise[0]["of"] == 2


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--fill", "exact", "--fill-size", "100x64"], 2, "cannot work at 100x64"),
        (["--fill", "draft"], 2, "needs a LoRA"),
        (["--fill", "preview", "--seed", "1"], 2, "takes no seed"),
        (["--fill", "preview", "--prompt", "x"], 2, "takes no prompt"),
        (["--fill", "preview", "--fill-size", "64x64"], 2, "neither size"),
        (["--fill", "exact", "--distill-lora", "x.safetensors"], 2, "takes no LoRA"),
        (["--fill", "draft", "--distill-lora", "x.safetensors"], 2, "x.safetensors is no file"),
        (["--fill", "exact", "--seed", "-1"], 2, "out of range"),
        (["--fill", "exact", "--models", "/nowhere"], 10, "no model folder"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, words: str
) -> None:
    assert run("run", plate, "--out", tmp_path / "shot", "--cam", "orbit:20", *options) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "shot").exists()


def test_an_incomplete_model_is_said_before_any_work(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model_folder: Path
) -> None:
    wan = model_folder / "Wan2.1-I2V-14B-480P"
    code = run("run", plate, "--out", tmp_path / "s", "--cam", "orbit:9", "--fill", "exact", "--models", wan)
    assert code == 10
    assert "No EX-4D checkpoint was found" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_large_models_need_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "MODEL", replace(host_module.MODEL, cpu_parameters=1000))
    with pytest.raises(ResourceError, match="needs an NVIDIA GPU"):
        create_generator("exact").prepare(49)


def test_too_many_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="has 82 frames; the model makes 81 at once"):
        create_generator("fast").prepare(82)


# Clips


class Take:
    """A take of which only pictures are known."""

    scene = None

    def __init__(self, frames: int, width: int = 40, height: int = 30, holes: int = 0, dtype: type = np.uint8) -> None:
        self.count, self.width, self.height, self.dtype, self._holes = frames, width, height, dtype, holes

    def frames(self) -> Any:
        white = np.iinfo(self.dtype).max
        for index in range(self.count):
            mask = np.full((self.height, self.width), 255, np.uint8)
            mask[:, self.width - self._holes - index :] = 0
            color = np.where(mask[..., None] > 0, white // 2, 0).astype(self.dtype)
            yield TakeFrame(1001 + index, np.repeat(color, 3, axis=2), mask, None)


@pytest.mark.parametrize(("frames", "length"), [(1, 1), (4, 5), (5, 5), (9, 9)])
def test_clips_hold_the_last_frame(frames: int, length: int) -> None:
    clip = make_clip(Take(frames), (64, 48), 0)  # type: ignore[arg-type]
    assert clip.color.shape == (length, 48, 64, 3)
    assert clip.numbers == tuple(range(1001, 1001 + frames))
    assert clip.lead == 0
    assert (clip.color[frames - 1 :] == clip.color[-1]).all()
    assert bool(clip.notes) == (length != frames)


def test_what_other_frames_show_is_known_to_the_model_and_keeps_its_origin() -> None:
    class Widened(Take):
        def frames(self) -> Any:
            for frame in super().frames():
                known = (frame.mask == 0) & (np.arange(self.width) < 36)
                values = np.where(known[..., None], np.uint8(200), np.uint8(0)).repeat(1, axis=2) * np.ones(3, np.uint8)
                z = np.full(known.shape, np.nan, np.float32)
                yield replace(frame, other=OtherFrame(values, known, np.zeros_like(known), z))

    clip = make_clip(Widened(5, holes=10), (64, 48), 0)  # type: ignore[arg-type]
    bare = make_clip(Take(5, holes=10), (64, 48), 0)  # type: ignore[arg-type]
    assert clip.known.sum() > bare.known.sum()
    assert np.array_equal(clip.other, clip.known & ~bare.known)
    # Seen by the model, but for the erosion.
    assert (clip.visible & ~bare.known).any()
    # Pixels at its edges are mixed.
    assert np.median(clip.color[clip.other & clip.visible]) == pytest.approx(200 / 255, abs=1e-3)
    assert not bare.other.any()
    # In the tensors that the model is conditioned on: -1 is a hole, and black.
    color, mask = clip_tensors(clip)
    shown = torch.from_numpy(clip.other & clip.visible)
    assert shown.any()
    assert (mask[0, 0][shown] == 1).all()
    assert color[0].movedim(0, -1)[shown].median().item() == pytest.approx(2 * 200 / 255 - 1, abs=2e-3)
    assert (clip_tensors(bare)[1][0, 0][shown] == -1).float().mean() > 0.9


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_at_hole_edges_are_not_darkened(dtype: type) -> None:
    clip = make_clip(Take(5, 90, 60, dtype=dtype), (32, 32), 0)  # type: ignore[arg-type]
    grey = (np.iinfo(dtype).max // 2) / np.iinfo(dtype).max
    assert np.abs(clip.color[clip.visible] - grey).max() < 1e-3
    assert (clip.color[~clip.visible] == 0).all()
    assert (clip.known | ~clip.visible).all()
    assert clip.visible.sum() < clip.known.sum()


def test_a_first_frame_with_holes_is_noted() -> None:
    assert any("first frame has holes" in note for note in make_clip(Take(5, holes=12), (32, 32), 0).notes)  # type: ignore[arg-type]


def test_clip_tensors() -> None:
    color, mask = clip_tensors(make_clip(Take(5, holes=3), (32, 32), 0))  # type: ignore[arg-type]
    assert color.shape == (1, 3, 5, 32, 32)
    assert mask.shape == (1, 1, 5, 32, 32)
    assert set(mask.unique().tolist()) == {-1.0, 1.0}
    assert (color.amax(dim=1, keepdim=True)[mask < 0] == -1).all()


@pytest.mark.parametrize(
    ("take", "model"),
    [((512, 512), (512, 512)), ((1920, 1080), (688, 384)), ((1080, 1920), (384, 688)), ((320, 240), (592, 448))],
)
def test_the_models_size(take: tuple[int, int], model: tuple[int, int]) -> None:
    size = model_size(*take)
    assert size == model
    check_size(size)
    assert abs(size[0] / size[1] / (take[0] / take[1]) - 1) < 0.03
    assert abs(size[0] * size[1] / 512**2 - 1) < 0.05


def test_tokens() -> None:
    # The released size: 13 latent frames of 32x32 patches.
    assert token_count((512, 512), 49) == 13_312


def test_a_take_that_starts_elsewhere_is_shown_the_plate_first(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = tmp_path / "shot"
    assert run("recon", plate, "--source-camera", "still", "--out", shot, "--json") == 0
    # A camera that stands aside from the first frame on.
    assert run("render", shot, "--cam", "orbit:20", "--json") == 0
    trajectory = read_trajectory(next((shot / "cache").glob("raster-*/trajectory.json")))
    aside = replace(trajectory, E=np.repeat(trajectory.E[-1:], len(trajectory), axis=0))
    write_json(tmp_path / "aside.json", aside)
    options = ["--fill", "exact", "--fill-size", "64x48", "--json"]
    assert run("generate", shot, "--cam", tmp_path / "aside.json", *options) == 0
    take = Path(events(capsys)[-1]["result"]["takes"][0]["folder"])
    record = json.loads((take / "take.json").read_text(encoding="utf-8"))
    assert any("shown that view first" in note for note in record["notes"])
    assert len(list((take / "result").iterdir())) == 6


# The host


def clip_of(frames: int = 5) -> Clip:
    return make_clip(Take(frames, 64, 48, holes=4), (64, 48), 0)  # type: ignore[arg-type]


def request(folder: Path, profile: str = "exact", **options: Any) -> Request:
    return Request((folder,), PROFILES[profile], "a house", "dog", 0, **options)


def short(folder: Path) -> Request:
    """Two steps of the profile exact."""
    return replace(request(folder), profile=replace(PROFILES["exact"], steps=2))


def pictures(host: ModelHost, wanted: Request) -> np.ndarray[Any, Any]:
    made, _ = host.run(wanted, clip_of(), Silent())
    return np.stack(list(made))


def test_a_warm_model_is_not_loaded_again(model_folder: Path) -> None:
    loads: list[str] = []

    class Counting(FileWeights):
        def component(self, models: Any, role: str, *rest: Any, **more: Any) -> Any:
            loads.append(role)
            return super().component(models, role, *rest, **more)

    host = ModelHost(Counting())
    first = pictures(host, request(model_folder))
    assert loads == ["text", "image", "transformer", "vae"]
    # The prompts' embeddings are on disk, the transformer is warm; the image's embedding is the clip's own.
    assert np.array_equal(first, pictures(host, request(model_folder)))
    assert loads[4:] == ["image"]
    assert first.shape == (5, 48, 64, 3)
    assert 0 <= first.min() < first.max() <= 1


def test_a_job_is_a_call_of_the_pipeline_that_users_import(model_folder: Path, pipeline: EX4DPipeline) -> None:
    color, mask = clip_tensors(clip_of())
    seed = torch.Generator().manual_seed(0)
    options = {"prompt": "a house", "negative_prompt": "dog", "num_inference_steps": 2, "generator": seed}
    frames = pipeline(color, mask, **options).frames[0]
    expected = (frames.permute(1, 2, 3, 0) * 0.5 + 0.5).clamp(0, 1).numpy()
    assert np.array_equal(pictures(ModelHost(), short(model_folder)), expected)


@pytest.mark.parametrize("name", ["swapped", "streamed"])
def test_layouts_give_the_same_pictures(model_folder: Path, name: LayoutName) -> None:
    reference = pictures(ModelHost(), request(model_folder))
    host = ModelHost(layout=MemoryPlan(name, False, 1.0))
    np.testing.assert_allclose(pictures(host, request(model_folder)), reference, atol=1e-5)
    np.testing.assert_allclose(pictures(host, request(model_folder)), reference, atol=1e-5)


def test_eight_bits_are_near(model_folder: Path) -> None:
    exact, fast = (pictures(ModelHost(), request(model_folder, name)) for name in ("exact", "fast"))
    difference = np.abs(exact - fast)
    assert 0 < difference.mean() < 0.05


def test_memory_that_runs_out_is_met_with_the_next_layout_once(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Properties:
        total_memory = 24 << 30

    monkeypatch.setattr(FileWeights, "parameters", lambda *_: 16.4e9)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 23 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    monkeypatch.setattr(ModelHost, "_choose", lambda *_: MemoryPlan("resident", False, 31.7))
    run_once, tried, notes = ModelHost._run, [], []

    def failing(self: ModelHost, *arguments: Any) -> Any:
        tried.append(arguments[-1].name)
        if len(tried) <= failures:
            raise torch.OutOfMemoryError
        return run_once(self, *arguments)

    class Listener(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    monkeypatch.setattr(ModelHost, "_run", failing)
    failures = 1
    made, _ = ModelHost().run(request(model_folder), clip_of(), Listener())
    assert len(list(made)) == 5
    assert tried[0] == "resident"
    assert tried[1] != "resident"
    assert "23.0 GiB of GPU memory were not enough" in notes[0]
    tried.clear()
    failures = 2
    with pytest.raises(ResourceError, match=r"23.0 of 24.0 GiB were in use"):
        ModelHost().run(request(model_folder), clip_of(), Listener())
    assert len(tried) == 2


def test_memory_that_runs_out_while_decoding_lets_the_transformer_go(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = pictures(ModelHost(), request(model_folder))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 23 << 30)
    decode, calls = EX4DPipeline.decode_frames, []

    def failing(self: EX4DPipeline, latents: torch.Tensor) -> Any:
        calls.append(self.transformer is not None)
        for index, frames in enumerate(decode(self, latents)):
            if index == 1 and len(calls) == 1:
                raise torch.OutOfMemoryError
            yield frames

    monkeypatch.setattr(EX4DPipeline, "decode_frames", failing)
    host = ModelHost()
    assert np.array_equal(pictures(host, request(model_folder)), reference)
    assert calls == [True, False]
    # The next job loads it again.
    assert np.array_equal(pictures(host, request(model_folder)), reference)


def test_cancel_takes_effect_within_a_step(model_folder: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    class Stopper(Silent):
        stage, seen = "", 0

        def begin(self, stage: str, of: int | None) -> None:
            self.stage = stage

        def check(self) -> None:
            # Both branches of guidance, each of two blocks: the second one of the second branch of the first step.
            self.seen += self.stage == "denoise"
            if self.seen == 4:
                raise Stop

        def advance(self) -> None:
            assert self.stage != "denoise"

    host, stopper = ModelHost(), Stopper()
    with pytest.raises(Stop):
        host.run(short(model_folder), clip_of(), stopper)
    assert stopper.seen == 4
    # And the next job works, as if nothing had been.
    assert np.array_equal(pictures(host, short(model_folder)), pictures(ModelHost(), short(model_folder)))


@pytest.mark.parametrize("stage", ["prompt", "load", "encode", "denoise", "decode"])
def test_cancel_is_looked_at_in_every_phase(
    model_folder: Path, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    class Stopper(Silent):
        stage = ""

        def begin(self, stage: str, of: int | None) -> None:
            self.stage = stage

        def check(self) -> None:
            if self.stage == stage:
                raise Stop

        def advance(self) -> None:
            self.check()

    # The embeddings of prompts are on disk otherwise.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    host = ModelHost()
    with pytest.raises(Stop):
        list(host.run(short(model_folder), clip_of(), Stopper())[0])
    assert pictures(host, short(model_folder)).shape[0] == 5


def test_reading_the_take_can_be_cancelled() -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        make_clip(Take(5, 64, 48, holes=4), (64, 48), 0, stop)  # type: ignore[arg-type]


# Precision


def test_weights_in_8_bits_for_want_of_memory_are_another_fill(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ModelOptions(seed=0, prompt="a house", size=(64, 48), models=(model_folder,))
    exact, quick = (replace(PROFILES[name], steps=2) for name in ("exact", "fast"))
    plain, lowered, fast = (ModelFill(profile, options) for profile in (exact, exact, quick))
    plain.prepare(5)
    as_found = ModelHost.plan
    monkeypatch.setattr(ModelHost, "plan", lambda *call: replace(as_found(*call), fp8=True))
    lowered.prepare(5)
    fast.prepare(5)
    assert plain.inputs() != lowered.inputs()
    assert plain.label == PROFILES["exact"].label
    assert "8 bits" in lowered.label
    assert fast.label == PROFILES["fast"].label
    written: dict[str, list[np.ndarray[Any, Any]]] = {}
    for name, generator in (("plain", plain), ("lowered", lowered), ("fast", fast)):

        class Sink:
            def write(self, number: int, color: Any, origin: Any, name: str = name) -> None:
                written.setdefault(name, []).append(color)

        notes = generator.generate(Take(5, 64, 48, holes=4), Sink(), Silent())  # type: ignore[arg-type]
        assert any("for 8, which changes pixels" in note for note in notes) == (name == "lowered")
    assert np.array_equal(written["lowered"], written["fast"])
    assert not np.array_equal(written["lowered"], written["plain"])


def test_memory_that_is_gone_since_the_plan_does_not_change_the_precision(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "pick_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(FileWeights, "parameters", lambda *_: 16.4e9)
    monkeypatch.setattr(runtime, "free_ram_gib", lambda: 24.0)
    monkeypatch.setattr(host_module, "device_name", lambda _: "a GPU")
    monkeypatch.setattr(host_module, "has_fp8", lambda _: True)
    host, free = ModelHost(), {"gib": 40.0}
    monkeypatch.setattr(runtime, "free_gib", lambda _: free["gib"])
    assert not host.plan([model_folder], PROFILES["exact"], None, 49).fp8
    free["gib"] = 24.0
    assert host.plan([model_folder], PROFILES["exact"], None, 49).fp8
    # Planned with 40 GiB, run with 24: an error, and no picture of another precision.
    with pytest.raises(ResourceError, match="GiB of GPU memory"):
        host.run(replace(short(model_folder), fp8=False), clip_of(), Silent())


def test_draft_stacks_a_lora(model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "distill.safetensors"
    tensors = {}
    for layer in range(tiny.LAYERS):
        name = f"diffusion_model.blocks.{layer}.self_attn.q"
        tensors[f"{name}.lora_down.weight"] = torch.randn(4, tiny.DIM)
        tensors[f"{name}.lora_up.weight"] = torch.randn(tiny.DIM, 4) * 0.2
        tensors[f"{name}.diff_b"] = torch.randn(tiny.DIM) * 0.1
    save_file(tensors, path)
    host = ModelHost()
    made = pictures(host, request(model_folder, "draft", lora=path))
    assert made.shape[0] == 5
    tensors["diffusion_model.blocks.9.self_attn.q.lora_down.weight"] = torch.zeros(4, tiny.DIM)
    tensors["diffusion_model.blocks.9.self_attn.q.lora_up.weight"] = torch.zeros(tiny.DIM, 4)
    save_file(tensors, path)
    with pytest.raises(BadInputError, match=r"changes the layer «blocks.9.attn1.to_q»"):
        pictures(host, request(model_folder, "draft", lora=path))


def test_a_prompt_that_is_too_long_is_noted(model_folder: Path) -> None:
    long = replace(request(model_folder), prompt="house " * 600)
    made, notes = ModelHost().run(long, clip_of(), Silent())
    assert len(list(made)) == 5
    assert "The prompt has 601 tokens; the model reads 512, the rest was cut off." in notes


def test_overflow_is_an_error_and_no_black_video(model_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "copy"))
    path = folder / "EX-4D" / "ex4d.ckpt"
    tensors = torch.load(path, weights_only=True)
    tensors["latent_patch_embedding.weight"] *= 1e30
    tensors["latent_patch_embedding.bias"] *= 1e38
    torch.save(tensors, path)
    with pytest.raises(ResourceError, match="overflowed"):
        pictures(ModelHost(), request(folder))


def test_embeddings_are_computed_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def compute(prompts: Any) -> list[torch.Tensor]:
        asked.extend(prompts)
        return [torch.full((1, 2, 3), float(len(prompt))) for prompt in prompts]

    first = cached_embeddings(["a", "bb"], "encoder", compute, tmp_path)
    again = cached_embeddings(["bb", " a "], "encoder", compute, tmp_path)
    assert asked == ["a", "bb"]
    assert torch.equal(first[0], again[1])
    cached_embeddings(["a"], "another encoder", compute, tmp_path)
    assert asked == ["a", "bb", "a"]
    for path in tmp_path.iterdir():
        path.write_bytes(b"damaged")
    assert torch.equal(cached_embeddings(["a"], "encoder", compute, tmp_path)[0], first[0])


def test_the_key_has_all_weights_of_the_places(model_folder: Path, tmp_path: Path) -> None:
    """As it always had, also of files that no part is known by, such as a LoRA that distils steps."""
    others = tmp_path / "others"
    others.mkdir()
    save_file({"some.weight": torch.zeros(2)}, others / "other.safetensors")
    for places in ((model_folder,), (model_folder, others)):
        assert create_generator("exact", models=places).inputs()["model"] == models_fingerprint(places)


def test_options_name_the_model() -> None:
    generator = create_generator("exact", {"seed": 4, "prompt": ""})
    assert generator.seed == 4
    assert generator.prompt == ""
    inputs = generator.inputs()
    assert inputs["seed"] == 4
    assert len(inputs["model"]) == 32
