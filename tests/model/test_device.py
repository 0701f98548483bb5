# SPDX-License-Identifier: Apache-2.0
"""``EX4D_DEVICE`` reaches everything that computes with torch; CUDA is played by stand-ins."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ex4d.models.torch_device import pick_device, rank_devices
from ex4d.protocol.errors import ResourceError
from ex4d.raster.nvdiffrast import NvdiffrastRasterizer


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two CUDA devices and an nvdiffrast: what was asked of them."""
    asked = SimpleNamespace(current=None, context=None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: setattr(asked, "current", device))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: f"GPU of {device}")
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: known("json" if name == "nvdiffrast" else name, *rest)
    )

    def context(device: Any) -> object:
        asked.context = device
        return object()

    fake = SimpleNamespace(torch=SimpleNamespace(RasterizeCudaContext=context))
    monkeypatch.setitem(sys.modules, "nvdiffrast", fake)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", fake.torch)
    return asked


def test_a_numbered_gpu_is_where_everything_runs(gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", "cuda:1")
    second = torch.device("cuda:1")
    assert pick_device() == gpus.current == second
    rasterizer = NvdiffrastRasterizer()
    assert rasterizer.memory == gpus.context == second
    assert rasterizer.device == "GPU of cuda:1"


def test_without_a_name_the_first_gpu_is_taken(gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EX4D_DEVICE", raising=False)
    assert NvdiffrastRasterizer().memory == gpus.context == torch.device("cuda")
    assert gpus.current is None


def test_nvdiffrast_does_not_run_on_the_cpu(gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", "cpu")
    with pytest.raises(ResourceError, match="EX4D_DEVICE is «cpu»"):
        NvdiffrastRasterizer()
    assert gpus.context is None


def test_a_gpu_that_is_not_there_is_said(gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", "cuda:2")
    with pytest.raises(ResourceError, match="torch sees 2 CUDA devices"):
        NvdiffrastRasterizer()
    assert gpus.context is None


def test_a_take_is_shared_by_the_named_gpus_alone(gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    first = torch.device("cuda:3")
    assert rank_devices(first, 2) == ("cuda:3", "cuda:0")
    monkeypatch.setenv("EX4D_GPUS", "1,3")
    assert rank_devices(first, 2) == ("cuda:3", "cuda:1")
    with pytest.raises(ResourceError, match="on 3 GPUs, and it may use 2"):
        rank_devices(first, 3)
