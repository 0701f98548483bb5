# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the model's tests, which need the packages of ex4d[gpu]."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from ex4d.diffusion import EX4DPipeline, load_pipeline

# At most: several processes that share the tests have fewer, see tests/conftest.py.
torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model in the released layout; read only."""
    return tiny.write_model(tmp_path_factory.mktemp("model") / "models")


@pytest.fixture(scope="session")
def pipeline(model_folder: Path) -> EX4DPipeline:
    """The toy model, float32."""
    loaded = load_pipeline(model_folder, dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture
def take_tensors() -> tuple[torch.Tensor, torch.Tensor]:
    """Colour (1, 3, 9, 48, 64) in [−1, 1] and its mask, a hole that opens to the right."""
    generator = torch.Generator().manual_seed(7)
    color = torch.rand((1, 3, 9, 48, 64), generator=generator) * 2 - 1
    mask = torch.ones(1, 1, 9, 48, 64)
    for frame in range(9):
        mask[:, :, frame, :, 64 - 2 * frame :] = -1
    return torch.where(mask > 0, color, torch.tensor(-1.0)), mask
