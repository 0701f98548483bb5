# SPDX-License-Identifier: Apache-2.0
"""Reading the model's files early."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ex4d.fill import create_generator
from ex4d.models.prefetch import Prefetch, Prefetcher, files_to_prefetch
from ex4d.protocol.errors import Ex4dError

GIB = 1 << 30


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Files of a model's names and no content worth the name."""
    folder = tmp_path / "model"
    for name, size in {
        "transformer/a.safetensors": 3_000_000,
        "transformer/config.json": 10,
        "text_encoder/b.safetensors": 4_000_000,
        "models_t5_umt5-xxl-enc-bf16.pth": 5_000_000,
        "vae/c.safetensors": 1_000_000,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    return folder


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough of it; psutil is not in the base install."""
    available = SimpleNamespace(available=GIB)
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(virtual_memory=lambda: available))


def test_weights_without_text_encoders(model: Path) -> None:
    assert [path.name for path in files_to_prefetch((model,), GIB)] == ["a.safetensors", "c.safetensors"]


def test_no_more_than_memory_holds(model: Path) -> None:
    assert [path.name for path in files_to_prefetch((model,), 6_000_000)] == ["a.safetensors"]
    assert files_to_prefetch((model,), 4_000_000) == []


def test_what_is_not_there_is_left_to_the_loader(model: Path, tmp_path: Path) -> None:
    assert files_to_prefetch((tmp_path / "none",), GIB) == []
    reading = Prefetch([model / "gone.safetensors", model / "vae" / "c.safetensors"])
    reading.join()
    assert reading.read == 1_000_000


def test_it_stops_at_once(tmp_path: Path) -> None:
    endless = tmp_path / "endless.safetensors"
    with endless.open("wb") as file:
        file.truncate(1 << 42)
    reading = Prefetch([endless])
    reading.stop()
    assert reading.read < 1 << 42


@pytest.mark.usefixtures("memory")
def test_once_in_a_process(model: Path) -> None:
    prefetcher = Prefetcher()
    prefetcher.begin((model,))
    first = prefetcher.current
    assert first is not None
    first.join()
    assert first.read == 4_000_000
    prefetcher.begin((model,))
    assert prefetcher.current is first
    prefetcher.end()
    prefetcher.begin((model,))
    assert prefetcher.current is None


@pytest.mark.usefixtures("memory")
def test_a_job_that_cannot_run_reads_no_more(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are no model, or torch cannot be imported."""
    prefetcher, begun = Prefetcher(), []
    monkeypatch.setattr(
        prefetcher, "begin", lambda places: (begun.append(places), Prefetcher.begin(prefetcher, places))
    )
    monkeypatch.setattr("ex4d.fill.ex4d_wan.generator.PREFETCHER", prefetcher)
    monkeypatch.setattr("ex4d.fill.ex4d_wan.generator.require_packages", lambda: None)
    monkeypatch.setattr("ex4d.fill.ex4d_wan.generator.missing_packages", lambda: ())
    generator = create_generator("exact", models=(model,))
    with pytest.raises((Ex4dError, ImportError)):
        generator.prepare(None)
    assert begun == [], "to look whether it can run is not to run"
    with pytest.raises((Ex4dError, ImportError)), generator.read_ahead():
        generator.prepare(None)
    assert begun == [(model,)]
    assert [thread.name for thread in threading.enumerate() if thread.name == "prefetch"] == []
    assert prefetcher.current is None
