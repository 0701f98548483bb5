# SPDX-License-Identifier: Apache-2.0
"""The device that the user names."""

import sys
from pathlib import Path

import pytest

from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.raster.opengl import context
from ex4d.raster.opengl.egl_device import cuda_numbers
from ex4d.server.places import WorkerPlace, cpu_places, gpu_places
from ex4d.system import machine
from ex4d.system.devices import named_device, named_gpu, shared_gpus


@pytest.mark.parametrize(
    ("text", "name", "gpu"), [("", None, None), ("cpu", "cpu", None), ("cuda", "cuda", None), (" cuda:1 ", "cuda:1", 1)]
)
def test_names(text: str, name: str | None, gpu: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", text)
    assert (named_device(), named_gpu()) == (name, gpu)


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cuda:x", "mps", "cpu:0 "])
def test_other_names_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", text)
    with pytest.raises(UsageError, match="names no device"):
        named_device()


def test_opengl_draws_on_the_numbered_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(context.sys, "platform", "linux")
    monkeypatch.setattr(context.ctypes.util, "find_library", lambda _: "libEGL.so.1")
    monkeypatch.setattr(context.moderngl, "create_context", lambda **options: asked.update(options))
    monkeypatch.setattr(context, "cuda_numbers", lambda: [1, None, 0])
    for text, index in (("cuda:0", 2), ("cuda:1", 0)):
        monkeypatch.setenv("EX4D_DEVICE", text)
        context.create_context()
        assert asked["device_index"] == index
    asked.clear()
    for text in ("", "cuda", "cpu"):
        monkeypatch.setenv("EX4D_DEVICE", text)
        context.create_context()
        assert "device_index" not in asked
    monkeypatch.setenv("EX4D_DEVICE", "cuda:2")
    with pytest.raises(ResourceError, match="OpenGL finds no such GPU"):
        context.create_context()


def test_egl_tells_its_devices_or_nothing() -> None:
    assert all(number is None or number >= 0 for number in cuda_numbers())


def test_gpus_that_one_take_may_be_made_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EX4D_GPUS", raising=False)
    assert shared_gpus() is None
    monkeypatch.setenv("EX4D_GPUS", " 2,0,2 ")
    assert shared_gpus() == (2, 0)
    monkeypatch.setenv("EX4D_GPUS", "cuda:1")
    with pytest.raises(UsageError, match="names no GPUs"):
        shared_gpus()


SMI = """0, GPU-aaaa, NVIDIA H200, 143771, 143000
1, GPU-bbbb, NVIDIA H200, 143771, 12
2, GPU-cccc, NVIDIA GB10, [N/A], [N/A]
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose nvidia-smi tells of three GPUs."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<END\n{SMI}END\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setattr(machine.shutil, "which", lambda _: str(tool))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tool


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_gpus_are_numbered_as_cuda_sees_them(smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.gpus()[1] == machine.Gpu(1, "NVIDIA H200", 143771, 12)
    assert machine.graphics_cards()[2] == "NVIDIA GB10"
    for variable, names in (
        ("2,0", [(0, 0), (1, 143771)]),
        ("GPU-bb", [(0, 143771)]),
        ("1,-1,0", [(0, 143771)]),
        ("", []),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
        assert [(gpu.number, gpu.memory_mib) for gpu in machine.gpus()] == names


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("asked", "numbers"), [("all", [0, 1, 2]), ("2", [0, 1]), ("0,2", [0, 2]), ("1,", [1]), (" ALL ", [0, 1, 2])]
)
def test_a_worker_for_each_gpu(smi: Path, asked: str, numbers: list[int]) -> None:
    places = gpu_places(asked)
    assert [place.gpu.number for place in places if place.gpu] == numbers
    assert [place.number for place in places] == (list(range(len(numbers))) if len(numbers) > 1 else [None])
    assert places[-1].variables["EX4D_DEVICE"] == f"cuda:{numbers[-1]}"
    assert places[-1].variables["EX4D_GPUS"] == str(numbers[-1])


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        ("0", UsageError, "names no GPUs"),
        ("many", UsageError, "names no GPUs"),
        ("-1", UsageError, "names no GPUs"),
        ("4", ResourceError, "no GPU 3: there are 0 to 2"),
        ("0,7", ResourceError, "no GPU 7"),
    ],
)
def test_gpus_that_are_not_there(smi: Path, asked: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        gpu_places(asked)


def test_without_a_gpu_none_gets_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    with pytest.raises(ResourceError, match="shows no NVIDIA GPU") as failure:
        gpu_places("all")
    assert "--workers" in failure.value.hint


def test_workers_without_gpus() -> None:
    assert cpu_places(1) == (WorkerPlace(),)
    assert [(place.number, place.variables) for place in cpu_places(3)] == [(0, {}), (1, {}), (2, {})]
    with pytest.raises(UsageError, match="cannot have 0 workers"):
        cpu_places(0)
