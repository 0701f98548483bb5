# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a run: folders that appear whole, of which the last whole one is gone on from.

RUN/checkpoints/step-000500/adapter.safetensors   trainable parameters, float32
                            ema.safetensors       their running mean, where there is one
                            optimizer.pt          AdamW's state
                            state.json            step, settings, what the run was trained on
                            done.json             sizes of all these
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ex4d.protocol.errors import BadInputError
from ex4d.stages.cache import claim, is_complete, seal
from ex4d.stages.work_folder import remove_leftovers
from ex4d.system.files import make_folder, remove_tree, temporary_sibling, writing

_NAME = re.compile(r"step-(\d{6,})")
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Attributes:
        folder: its folder.
        step: optimizer steps that were done.
    """

    folder: Path
    step: int

    def state(self) -> dict[str, Any]:
        """What state.json says."""
        return dict(json.loads((self.folder / "state.json").read_text(encoding="utf-8")))

    def adapter(self) -> Tensors:
        """Trainable parameters by name."""
        return load_file(self.folder / "adapter.safetensors")

    def ema(self) -> Tensors | None:
        """Their running mean."""
        path = self.folder / "ema.safetensors"
        return load_file(path) if path.is_file() else None

    def optimizer(self) -> dict[str, Any]:
        """AdamW's state."""
        return dict(torch.load(self.folder / "optimizer.pt", map_location="cpu", weights_only=True))


def checkpoints(run: Path) -> list[Checkpoint]:
    """Whole checkpoints of a run, the oldest first."""
    found = []
    for folder in (run / "checkpoints").glob("step-*"):
        if (match := _NAME.fullmatch(folder.name)) and is_complete(folder):
            found.append(Checkpoint(folder, int(match[1])))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def find_checkpoint(run: Path, step: int | None = None) -> Checkpoint:
    """The last checkpoint of a run, or the one of a step.

    Raises:
        BadInputError: there is none.
    """
    found = {checkpoint.step: checkpoint for checkpoint in checkpoints(run)}
    if not found or (step is not None and step not in found):
        raise BadInputError(
            f"{run} has no whole checkpoint" + (f" of step {step}." if step is not None else "."),
            f"It has those of steps {', '.join(map(str, found))}." if found else "Name a folder of `ex4d train`.",
        )
    return found[max(found) if step is None else step]


def write_checkpoint(
    run: Path,
    step: int,
    adapter: Tensors,
    optimizer: Mapping[str, Any],
    ema: Tensors | None,
    state: Mapping[str, Any],
    keep: int,
) -> Checkpoint:
    """Write a checkpoint and drop the oldest beyond ``keep``. What a killed writer left behind goes, too."""
    root = make_folder(run / "checkpoints")
    final = root / f"step-{step:06d}"
    temporary = temporary_sibling(final)
    try:
        with writing(final):
            temporary.mkdir()
            save_file(adapter, temporary / "adapter.safetensors")
            if ema is not None:
                save_file(ema, temporary / "ema.safetensors")
            torch.save(dict(optimizer), temporary / "optimizer.pt")
            document = json.dumps({**state, "step": step}, indent=1)
            (temporary / "state.json").write_text(document, encoding="utf-8")
            seal(temporary, {}, (path.name for path in temporary.iterdir()))
            if final.exists():
                remove_tree(final)
            claim(temporary, final)
    finally:
        remove_tree(temporary)
    remove_leftovers(root)
    for old in checkpoints(run)[:-keep]:
        remove_tree(old.folder)
    return Checkpoint(final, step)
