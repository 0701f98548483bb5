# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of generators as the extension checks and reads them, and capabilities kept on disk; without Blender."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from ex4d_blender.core.capability_files import FORMAT, capabilities_path, read_capabilities, write_capabilities
from ex4d_blender.core.generator_options import (
    check_option,
    clamped,
    own_options,
    parse_option,
    parse_options,
    request_options,
    takes,
)

from ex4d.protocol.capabilities import (
    Capabilities,
    EstimatorInfo,
    GeneratorInfo,
    OptionInfo,
    OptionValue,
    RasterizerInfo,
)
from ex4d.protocol.errors import UsageError

OPTIONS = (
    OptionInfo("seed", "Seed", "integer", 0, 0, 99),
    OptionInfo("prompt", "Prompt", "text"),
    OptionInfo("steps", "Steps", "integer", None, 1, 50, help="Give fewer steps."),
    OptionInfo("grain", "Grain", "number", 0.5, 0),
    OptionInfo("style", "Style", "choice", "oil", choices=("oil", "ink")),
    OptionInfo("sharp", "Sharp", "flag", False),
    OptionInfo("fill_size", "Size", "size"),
    OptionInfo("lora", "LoRA", "file"),
)
TOY = GeneratorInfo("toy", "a toy", "MIT", generative=True, options=OPTIONS)
BY_NAME = {option.name: option for option in OPTIONS}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("steps", [1, 50, None], [0, 51, 2.0, True, "3"]),
        ("grain", [0, 0.0, 1e6, 7], [-0.1, True, "x", float("nan")]),
        ("style", ["oil", "ink"], ["", "Oil", 1]),
        ("sharp", [True, False], [1, "yes"]),
        ("fill_size", ["832x480"], ["832", "0x3", "x", 5]),
        ("lora", ["/a/b.safetensors"], [3]),
        ("prompt", ["", "a street"], [3, False]),
    ],
)
def test_values_that_an_option_takes(name: str, good: list[OptionValue], bad: list[OptionValue]) -> None:
    for value in good:
        check_option(BY_NAME[name], value)
    for value in bad:
        with pytest.raises(UsageError):
            check_option(BY_NAME[name], value)


def test_an_error_names_the_option_and_its_range() -> None:
    with pytest.raises(UsageError, match="The option Steps takes 1 to 50, not «51»") as caught:
        check_option(BY_NAME["steps"], 51)
    assert caught.value.hint == "Give fewer steps."
    with pytest.raises(UsageError, match="The option Grain takes 0 or more, not «-1»"):
        check_option(BY_NAME["grain"], -1)
    assert (clamped(BY_NAME["steps"], 99), clamped(BY_NAME["grain"], -3.0), clamped(BY_NAME["grain"], 7)) == (50, 0, 7)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "+7", 7),
        ("grain", "1e-3", 0.001),
        ("style", "ink", "ink"),
        ("sharp", "Yes", True),
        ("sharp", "off", False),
        ("fill_size", "832x480", "832x480"),
        ("prompt", "a=b", "a=b"),
        ("lora", "x.safetensors", str(Path("x.safetensors").absolute())),
    ],
)
def test_texts_of_the_command_line(name: str, text: str, value: OptionValue) -> None:
    assert parse_option(BY_NAME[name], text) == value
    assert parse_options(TOY, [f"{name.replace('_', '-')}={text}"]) == {name: value}


@pytest.mark.parametrize(
    "text", ["steps", "steps=", "steps=1.5", "steps=99", "stops=3", "=3", "sharp=perhaps", "grain=inf"]
)
def test_texts_that_are_no_value(text: str) -> None:
    with pytest.raises(UsageError):
        parse_options(TOY, [text])


def test_a_request_has_what_the_generator_takes_and_nothing_else() -> None:
    given: dict[str, OptionValue] = {"steps": 4, "former": 3, "style": None}
    assert request_options(TOY, given, seed=5, prompt="") == {"seed": 5, "steps": 4}
    assert request_options(TOY, {}, seed=None, prompt="rain") == {"prompt": "rain"}
    plain = GeneratorInfo("preview", "", "", generative=False)
    assert request_options(plain, given, seed=5, prompt="rain") == {}
    assert (takes(TOY, "seed"), takes(plain, "seed")) == (True, False)
    assert [option.name for option in own_options(TOY)] == ["steps", "grain", "style", "sharp", "fill_size", "lora"]
    with pytest.raises(UsageError, match="Steps"):
        request_options(TOY, {"steps": 51}, seed=None, prompt=None)


def test_capabilities_come_back_from_disk(tmp_path: Path) -> None:
    offered = Capabilities((TOY,), (EstimatorInfo("small", "small depth", "MIT"),), (RasterizerInfo("embree", "MIT"),))
    path = capabilities_path(tmp_path, Path("/usr/bin/python3"))
    assert path != capabilities_path(tmp_path, Path("/opt/python3"))
    assert read_capabilities(path) is None
    write_capabilities(path, offered)
    assert read_capabilities(path) == offered
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    record = json.loads(path.read_text(encoding="utf-8"))
    # A newer version may have said more, of the same format.
    record["capabilities"]["generators"][0]["colour"] = "blue"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert read_capabilities(path) == offered


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        json.dumps({"format": "ex4d-offers", "capabilities": {"profiles": [], "depth": []}}),
        json.dumps({"format": FORMAT}),
        json.dumps({"format": FORMAT, "capabilities": 7}),
        json.dumps({"format": FORMAT, "capabilities": {"generators": [{"name": 3}], "estimators": []}}),
        "[" * 100_000,
    ],
)
def test_what_is_no_file_of_capabilities_counts_as_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "offers.json"
    path.write_text(text, encoding="utf-8")
    assert read_capabilities(path) is None
