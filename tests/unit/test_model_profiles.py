# SPDX-License-Identifier: Apache-2.0
"""Which layout of the model is chosen for which memory; needs no torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from ex4d.fill.ex4d_wan.profiles import PROFILES, Plan, profile_plans
from ex4d.models.locations import candidate_files, fingerprint, model_places, models_fingerprint
from ex4d.models.memory_plan import choose_memory_plan
from ex4d.protocol.errors import BadInputError, ResourceError

#: 49 frames of 512x512.
TOKENS, MEGAPIXELS = 13_312, 0.262


@pytest.mark.parametrize(
    ("profile", "free_gib", "layout", "fp8"),
    [
        ("exact", 78, "resident", False),
        ("exact", 46, "resident", False),
        ("exact", 34.0, "swapped", False),
        ("exact", 23, "streamed", False),
        ("fast", 78, "resident", True),
        ("fast", 23, "resident", True),
        ("fast", 15, "streamed", True),
        ("fast", 11, "streamed", True),
        ("draft", 7, "streamed", True),
    ],
)
def test_the_layout_follows_the_free_memory(profile: str, free_gib: float, layout: str, fp8: bool) -> None:
    fit = choose_memory_plan(profile_plans(PROFILES[profile], TOKENS, MEGAPIXELS), free_gib, 64.0)
    assert (fit.name, fit.fp8) == (layout, fp8)
    assert fit.gib <= free_gib
    assert f"about {fit.gib:.0f} GiB" in fit.describe()


def test_exact_falls_to_eight_bits_only_where_main_memory_is_short_too() -> None:
    fit = choose_memory_plan(profile_plans(PROFILES["exact"], TOKENS, MEGAPIXELS), 12.0, 20.0)
    assert (fit.name, fit.fp8) == ("streamed", True)


@pytest.mark.parametrize(("free_gib", "ram_gib"), [(3.0, 64.0), (12.0, 8.0)])
def test_too_little_memory_is_said_with_the_numbers(free_gib: float, ram_gib: float) -> None:
    with pytest.raises(
        ResourceError, match=rf"needs 6 GiB of GPU memory and 17 GiB.*{free_gib:.1f} GiB and"
    ) as failure:
        choose_memory_plan(profile_plans(PROFILES["fast"], TOKENS, MEGAPIXELS), free_gib, ram_gib)
    assert failure.value.exit_code == 20


def test_larger_clips_need_more() -> None:
    small, large = (
        profile_plans(PROFILES["fast"], tokens, pixels) for tokens, pixels in ((TOKENS, 0.26), (75_600, 0.92))
    )
    assert all(a.gib < b.gib for a, b in zip(small, large, strict=True))


def test_a_plan_adds_to_the_key_what_changes_pixels_and_nothing_else() -> None:
    assert Plan("cuda", fp8=True, multiplies_8_bit=True, text="", weights="").inputs() == {}
    assert Plan("cuda", fp8=False, multiplies_8_bit=False, text="", weights="").inputs() == {}
    assert Plan("cuda", fp8=True, multiplies_8_bit=False, text="", weights="").inputs() == {"multiply": "bfloat16"}
    assert Plan("cpu", fp8=True, multiplies_8_bit=False, text="", weights="").inputs() == {"device": "cpu"}


# Places


def test_models_are_looked_for_where_they_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EX4D_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert model_places()[0].parts[-2:] == ("ex4d", "models")
    monkeypatch.setenv("EX4D_MODELS", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert model_places() == (tmp_path / "a", tmp_path / "b")
    assert model_places([tmp_path / "c"]) == (tmp_path / "c",)


def test_hidden_and_deep_folders_are_left_alone(tmp_path: Path) -> None:
    for name in ("a.safetensors", ".cache/b.safetensors", "1/2/3/4/c.pth", "1/2/3/4/5/d.pth", "e.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert [path.name for path in candidate_files([tmp_path])] == ["c.pth", "a.safetensors"]
    with pytest.raises(BadInputError, match="no model folder"):
        candidate_files([tmp_path / "nowhere"])


def test_fingerprints_tell_files_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(bytes(5 << 20))
    first = fingerprint(path), models_fingerprint([tmp_path])
    assert first == (fingerprint(path), models_fingerprint([tmp_path]))
    for position in (0, (5 << 20) - 1):
        data = bytearray(5 << 20)
        data[position] = 1
        path.write_bytes(data)
        assert fingerprint(path) != first[0]
    path.write_bytes(bytes((5 << 20) + 1))
    assert fingerprint(path) != first[0]
    assert models_fingerprint([tmp_path]) != first[1]
