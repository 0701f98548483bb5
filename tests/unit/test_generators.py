# SPDX-License-Identifier: Apache-2.0
"""The registry of generators, with a toy added to it: ``toy_generator``, one folder and one line."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import STILL, Run, make_plate, runner
from toy_generator import spec as toy

from ex4d.colour.difference import delta_e_2000, lab_from_srgb
from ex4d.fill import create_generator, generator_infos, registry
from ex4d.fill.arguments import add_generator_options, generator_options
from ex4d.fill.base import FillSink, PixelOrigin, TakeView
from ex4d.fill.ex4d_wan.conditioning import TAKES
from ex4d.fill.ex4d_wan.generator import ModelFill
from ex4d.fill.ex4d_wan.profiles import Plan
from ex4d.fill.registry import check_options, generator_names
from ex4d.fill.spec import Conditioning, FrameRule, SizeRule
from ex4d.media.images import read_image
from ex4d.models.locations import models_fingerprint
from ex4d.protocol.capabilities import OptionInfo
from ex4d.protocol.errors import UsageError
from ex4d.stages.stage import content_key
from ex4d.system.progress import Progress, steps


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "GENERATORS", [*registry.GENERATORS, "toy_generator"])


@pytest.fixture
def ex4d_command(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


def test_the_ways_to_fill_and_what_can_be_chosen_of_each() -> None:
    infos = {info.name: info for info in generator_infos()}
    assert list(infos) == ["preview", "exact", "fast", "turbo", "draft"]
    assert infos["preview"].options == ()
    assert [info.name for info in infos.values() if info.generative] == ["exact", "fast", "turbo", "draft"]
    assert [option.name for option in infos["exact"].options] == ["seed", "prompt", "fill_size", "steps", "gpus"]
    assert [option.name for option in infos["draft"].options][5:] == ["distill_lora"]
    for info in infos.values():
        made = create_generator(info.name)
        assert (made.name, made.label, made.licence, made.generative) == (
            *(info.name, info.label, info.licence),
            info.generative,
        )


# A generator of somebody else's


@pytest.mark.usefixtures("with_toy")
def test_a_toy_generator_is_offered_with_its_option() -> None:
    assert generator_names()[-1] == "toy"
    assert generator_infos()[-1] == toy.INFO
    made = create_generator("toy", {"paint_share": 0.25})
    assert isinstance(made, toy.ToyFill)
    assert made.inputs() == {"version": 1, "share": 0.25, "seed": None}
    with pytest.raises(UsageError, match="«paint_share» is out of range") as failure:
        create_generator("toy", {"paint_share": 1.5})
    assert failure.value.hint == "Give at least 0 and at most 1."
    with pytest.raises(UsageError, match="«preview» takes no share"):
        create_generator("preview", {"paint_share": 0.5})
    with pytest.raises(UsageError, match="«toy» takes no prompt"):
        create_generator("toy", {"prompt": "a house"})


@pytest.mark.usefixtures("with_toy")
def test_a_toy_generator_fills_from_the_command_line(ex4d_command: Run, tmp_path: Path) -> None:
    plate, shot = make_plate(tmp_path / "plate.mp4", 2), tmp_path / "shot"
    common = ["--out", shot, *STILL, "--cam", "orbit:30", "--raster", "embree", "--json", "--fill", "toy"]
    takes = []
    for options in ([], ["--paint-share", 1], ["--paint-share", 1.0], ["--seed", 3]):
        done = ex4d_command("run", plate, *common, *options)
        assert done.code == 0, done.err
        takes.append(Path(done.result["takes"][0]["folder"]))
    # The option is a part of the fill's key; said in another way it is the same.
    assert [take.name for take in takes] == ["v001", "v002", "v002", "v003"]
    grey, white = (read_image(take / "result" / "result.1002.png") for take in takes[:2])
    hole = cv2.erode((cv2.imread(str(takes[0] / "mask" / "mask.1002.png"), 0) == 0).astype(np.uint8), np.ones((5, 5)))
    assert hole.sum() > 20
    assert (white[hole > 0] == 255).all()
    assert (np.abs(grey[hole > 0].astype(int) - 128) <= 1).all()
    record = json.loads((takes[1] / "take.json").read_text(encoding="utf-8"))
    assert (record["fill"]["name"], record["fill"]["label"], record["fill"]["licence"]) == ("toy", "one colour", "MIT")
    assert "Painted." in record["notes"]
    assert ex4d_command("run", plate, *common, "--paint-share", 2).refused(2)


def drifting(self: toy.ToyFill, take: TakeView, sink: FillSink, progress: Progress) -> tuple[str, ...]:
    """As a model does: all of the picture anew, darker, less saturated and noisy; holes are a skin's colour."""
    rng = np.random.default_rng(3)
    for frame in steps(progress, take.frames()):
        white = np.iinfo(frame.color.dtype).max
        picture = np.where((frame.mask > 0)[..., None], frame.color / white, (0.6, 0.45, 0.35))
        grey = picture @ (0.2126, 0.7152, 0.0722)
        drawn = 0.85 * (0.8 * picture + 0.2 * grey[..., None]) + 0.04 + rng.normal(0, 2 / 255, picture.shape)
        origin = np.where(frame.mask > 0, np.uint8(PixelOrigin.MEASURED), np.uint8(PixelOrigin.INVENTED))
        sink.write(frame.number, np.rint(np.clip(drawn, 0, 1) * white).astype(frame.color.dtype), origin)
    return ()


@pytest.mark.usefixtures("with_toy")
def test_a_models_shift_of_colours_is_taken_off(
    ex4d_command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.ToyFill, "generative", True)
    monkeypatch.setattr(toy.ToyFill, "generate", drifting)
    plate, shot = make_plate(tmp_path / "plate.mp4", 4, width=192, height=128), tmp_path / "shot"
    common = ["--out", shot, *STILL, "--cam", "orbit:30", "--raster", "embree", "--json", "--fill", "toy"]
    wanted = lab_from_srgb(np.array([0.6, 0.45, 0.35]))
    left, records = [], []
    for options in ([], ["--no-colour-match"], ["--grain"]):
        take = Path(ex4d_command("run", plate, *common, *options).result["takes"][0]["folder"])
        hole = cv2.imread(str(take / "mask" / "mask.1004.png"), 0) == 0
        inside = cv2.erode(hole.astype(np.uint8), np.ones((9, 9))) > 0
        assert inside.sum() > 50
        mean = read_image(take / "result" / "result.1004.png")[inside].mean(axis=0) / 255
        left.append(float(delta_e_2000(lab_from_srgb(mean), wanted)))
        records.append(json.loads((take / "take.json").read_text(encoding="utf-8")))
    assert [record["fill"].get("colour_match") is not None for record in records] == [True, False, True]
    assert (
        records[0]["fill"]["colour_match"]["delta_e_before"] > 3 * records[0]["fill"]["colour_match"]["delta_e_after"]
    )
    assert left[0] <= 1.0
    assert left[1] > 4
    # Each is a take of its own; the fill is the same.
    assert len({record["key"] for record in records}) == 3
    assert len(list((shot / "cache").glob("fill-*"))) == 1


@pytest.mark.usefixtures("with_toy")
def test_what_no_model_drew_is_not_adjusted(ex4d_command: Run, tmp_path: Path) -> None:
    plate, shot = make_plate(tmp_path / "plate.mp4", 2), tmp_path / "shot"
    common = ["--out", shot, *STILL, "--cam", "orbit:30", "--raster", "embree", "--json"]
    done = [ex4d_command("run", plate, *common, *more).result["takes"][0] for more in ([], ["--grain"])]
    assert [Path(take["folder"]).name for take in done] == ["v001", "v001"]
    record = json.loads((shot / "takes" / "v001" / "take.json").read_text(encoding="utf-8"))
    assert "colour_match" not in record["fill"]


# Options


@pytest.mark.usefixtures("with_toy")
def test_an_option_of_several_generators_is_one_on_the_command_line() -> None:
    parser = argparse.ArgumentParser()
    add_generator_options(parser)
    args = parser.parse_args(["--seed", "3", "--fill-size", "64x48", "--paint-share", "0.5", "--distill-lora", "a.pt"])
    assert generator_options(args) == {
        "seed": 3,
        "fill_size": "64x48",
        "paint_share": 0.5,
        "distill_lora": "a.pt",
    }
    assert parser.format_help().count("--seed ") == 2  # in the usage, and explained


def test_an_option_that_means_something_else_elsewhere_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(toy.INFO, options=(replace(toy.INFO.options[0], kind="text"),))
    monkeypatch.setattr(toy, "SPEC", replace(toy.SPEC, infos=(other,)))
    monkeypatch.setattr(registry, "GENERATORS", [*registry.GENERATORS, "toy_generator"])
    registry._spec.cache_clear()
    try:
        with pytest.raises(ValueError, match="'seed' of 'toy' is of another kind"):
            add_generator_options(argparse.ArgumentParser())
    finally:
        registry._spec.cache_clear()


def test_generators_may_differ_in_what_they_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one option: a smaller range, other choices."""
    options = (
        replace(toy.INFO.options[0], minimum=-5, maximum=10),
        OptionInfo("style", "Style", "choice", choices=("a",)),
    )
    others = (OptionInfo("style", "Style", "choice", choices=("b", "a")),)
    infos = (replace(toy.INFO, options=options), replace(toy.INFO, name="other", options=others))
    monkeypatch.setattr(toy, "SPEC", replace(toy.SPEC, infos=infos))
    monkeypatch.setattr(registry, "GENERATORS", [*registry.GENERATORS, "toy_generator"])
    registry._spec.cache_clear()
    try:
        assert registry.all_options()["style"].choices == ("a", "b")
        assert create_generator("toy", {"seed": -3}).seed == -3
        with pytest.raises(UsageError, match="The seed -3 is out of range"):
            create_generator("exact", {"seed": -3})
        assert create_generator("exact", {"seed": 11}).seed == 11
        with pytest.raises(UsageError, match="«seed» is out of range"):
            create_generator("toy", {"seed": 11})
    finally:
        registry._spec.cache_clear()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sead": 1}, "No fill has an option «sead»"),
        ({"seed": "1"}, "«seed» is not a whole number"),
        ({"seed": True}, "«seed» is not a whole number"),
        ({"seed": 1.5}, "«seed» is not a whole number"),
        ({"prompt": 4}, "«prompt» is not a text"),
        ({"seed": -1}, "The seed -1 is out of range"),
        ({"seed": 1 << 53}, "is out of range"),
        ({"steps": 0}, "A model cannot take 0 steps"),
        ({"fill_size": "64"}, "The size «64» is not understood"),
    ],
)
def test_options_that_no_generator_can_use(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_options(options)
    for name in ("exact", "preview"):
        with pytest.raises(UsageError, match=words):
            create_generator(name, options)


@pytest.mark.parametrize(
    ("name", "options", "words", "hint"),
    [
        ("nothing", {}, "There is no fill «nothing».", "Use one of: preview, exact, fast, turbo, draft."),
        ("preview", {"seed": 1}, "The fill «preview» takes no seed.", "Leave it out."),
        ("preview", {"prompt": "x", "steps": 3}, "The fill «preview» takes no prompt.", "Leave it out."),
        (
            "preview",
            {"steps": 3},
            "The fill «preview» is no model and takes neither size, steps nor files.",
            "Leave them out.",
        ),
        (
            "preview",
            {"distill_lora": "x"},
            "The fill «preview» is no model and takes neither size, steps nor files.",
            "Leave them out.",
        ),
        (
            "fast",
            {"distill_lora": "x"},
            "The fill «fast» takes no LoRA that distils steps.",
            "Leave it out, or use --fill draft.",
        ),
    ],
)
def test_what_a_generator_has_no_use_for(name: str, options: dict[str, Any], words: str, hint: str) -> None:
    with pytest.raises(UsageError) as failure:
        create_generator(name, options)
    assert (failure.value.message, failure.value.hint) == (words, hint)


def test_places_of_models_are_for_models() -> None:
    with pytest.raises(UsageError, match="«preview» is no model"):
        create_generator("preview", models=(Path("/models"),))
    made = create_generator("exact", {"prompt": "", "seed": None, "fill_size": "832x480"}, models=(Path("/models"),))
    assert isinstance(made, ModelFill)
    assert (made.prompt, made.seed, made.options.size, made.places) == ("", 0, (832, 480), (Path("/models"),))
    # An empty text says nothing to one that takes none.
    assert create_generator("preview", {"prompt": ""}).prompt is None


def test_the_key_of_a_fill_by_the_model_stays_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills that are there are found again: the second is what 0f2baa4 made; LoRAs are read better since."""
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    lora = tmp_path / "lora" / "b.safetensors"
    lora.parent.mkdir()
    lora.write_bytes(b"more weights")
    weights = models_fingerprint((tmp_path,))
    planned = Plan("cuda", fp8=True, multiplies_8_bit=True, text="", weights=weights)
    monkeypatch.setattr(ModelFill, "_planned", lambda _self: planned)
    options = {"seed": 7, "prompt": "a house", "fill_size": "64x48"}
    made = create_generator("draft", {**options, "distill_lora": str(lora)}, models=(tmp_path,))
    plain = create_generator("fast", models=(tmp_path,))
    assert made.inputs() == {
        "version": 1,
        "profile": [4, 1.0, 5.0, True],
        "seed": 7,
        "prompt": "a house",
        "negative_prompt": plain.inputs()["negative_prompt"],
        "size": [64, 48],
        "model": plain.inputs()["model"],
        "lora": made.inputs()["lora"],
        "lora_version": 2,
    }
    keys = [content_key(generator.inputs()) for generator in (made, plain)]
    assert keys == ["1126eb60d4eba2db", "de07a72e0cf837ee"]


# Rules of clips


@pytest.mark.parametrize(("frames", "padded", "groups"), [(1, 1, 1), (2, 5, 2), (49, 49, 13), (50, 53, 14)])
def test_frames_come_in_groups(frames: int, padded: int, groups: int) -> None:
    assert (TAKES.frames.padded(frames), TAKES.frames.groups(frames)) == (padded, groups)
    any_number = FrameRule(step=1, first=1, most=100, trained=25)
    assert any_number.padded(frames) == frames


def test_sizes_are_multiples_of_a_take_s_aspect() -> None:
    rule = SizeRule(multiple=32, trained_side=640)
    assert rule.allows((640, 352))
    assert not rule.allows((640, 360))
    assert rule.near((640, 360)) == (640, 352)
    width, height = rule.best(1920, 1080)
    assert rule.allows((width, height))
    assert abs(width / height / (16 / 9) - 1) < 0.06


def test_a_spec_asks_for_what_takes_have() -> None:
    takes = Conditioning(FrameRule(4, 1, 81, 49), SizeRule(16, 512), (0.0, 0.0, 0.0), -1.0, 1.0, mask_fold=64)
    assert takes.mask_channels(16) == 64
    assert (replace(takes, mask_fold="vae").mask_channels(16), replace(takes, mask_fold=None).mask_channels(16)) == (
        16,
        0,
    )
    with pytest.raises(ValueError, match="no mask of what moves"):
        replace(toy.SPEC, takes=replace(takes, motion_mask=True))
    with pytest.raises(ValueError, match="toy: a caption comes by the option «prompt»"):
        replace(toy.SPEC, takes=replace(takes, caption=True))
