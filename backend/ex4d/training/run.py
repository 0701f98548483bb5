# SPDX-License-Identifier: Apache-2.0
"""A run of `ex4d train` from its settings to its files."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import WanTransformer3DModel

from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.quirks import NEGATIVE_PROMPT
from ex4d.fill.ex4d_wan.weights import load_adapter
from ex4d.models.model_files import ModelFiles
from ex4d.models.torch_device import pick_device
from ex4d.models.wan.load import empty_component, load_component
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.system.progress import Progress, Silent
from ex4d.training.checkpoints import find_checkpoint
from ex4d.training.data import Dataset, DatasetSettings, Window, find_videos, prepare
from ex4d.training.data.dataset import DATASET_FILE
from ex4d.training.data.prepare import survey
from ex4d.training.estimate import Estimate, estimate
from ex4d.training.export import adapter_of, export
from ex4d.training.latents import LatentStore, encoding_pipeline
from ex4d.training.loop import Clips, Trainer, create_accelerator, training_dtype
from ex4d.training.model import RELEASED_TRANSFORMER, AdaptedTransformer, adapt, parameter_counts
from ex4d.training.settings import TrainingSettings


@dataclass(frozen=True)
class TrainingRequest:
    """What was asked for.

    Attributes:
        data: a folder of videos, a manifest, or a prepared folder.
        out: the run's folder.
        models: places of Wan's files.
        dataset: settings for data that is not prepared yet.
        settings: of the run.
        workers: processes that prepare data.
        start: folder or file of an adapter to begin with; None = a new one.
    """

    data: Path
    out: Path | None
    models: Sequence[Path]
    dataset: DatasetSettings
    settings: TrainingSettings
    workers: int | None = None
    start: Path | None = None


def is_prepared(place: Path) -> bool:
    """Whether `ex4d train prepare` has made this folder."""
    return (place / DATASET_FILE).is_file()


# Dry run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DryRun:
    """What a run would be.

    Attributes:
        windows: clips to train on and held out.
        rejected: clips that were left out, by reason.
        counts: of ``parameter_counts``.
        estimate: of memory and time.
        device: that the estimate is for.
        released: whether the sizes are the released model's, because no transformer was found.
    """

    windows: tuple[int, int]
    rejected: dict[str, int]
    counts: dict[str, int]
    estimate: Estimate
    device: str
    released: bool


def dry_run(request: TrainingRequest, progress: Progress) -> DryRun:
    """Look through data and model without writing anything.

    Raises:
        BadInputError: there is nothing to train on.
    """
    if is_prepared(request.data):
        dataset = Dataset.open(request.data)
        dataset.check()
    else:
        dataset = survey(find_videos(request.data), request.dataset, progress, request.workers)
    train, held_out = dataset.split(request.settings.held_out)
    models: ModelFiles | None = None
    with contextlib.suppress(BadInputError):
        models = find_models(request.models)
    if models is not None:
        models.check_not_quantized("training")
    found = models is not None and "transformer" in models.parts
    with init_empty_weights(include_buffers=False):
        transformer: Any = (
            empty_component(models.part("transformer"))
            if models is not None and found
            else WanTransformer3DModel(**RELEASED_TRANSFORMER)
        )
        model = adapt(transformer, request.settings)
    counts, device = parameter_counts(model), pick_device()
    data = dataset.settings
    guess = estimate(transformer.config, counts, data.size, data.frames, request.settings, device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return DryRun((len(train), len(held_out)), dict(dataset.rejected), counts, guess, name, not found)


def dry_run_text(found: DryRun, settings: TrainingSettings) -> str:
    """As text."""
    guess, trained = found.estimate, found.counts["lora"] + found.counts["geometry"]
    hours = guess.seconds * settings.steps / 3600
    left_out = Counter(found.rejected)
    rejected = ", ".join(f"{number} {reason}" for reason, number in sorted(left_out.items())) or "none"
    sizes = "the released 14B model's, as no transformer was found" if found.released else "the model's that was found"
    return "\n".join(
        [
            f"clips       {found.windows[0]} to train on, {found.windows[1]} held out; left out: {rejected}",
            f"parameters  {trained:,} trained ({found.counts['lora']:,} LoRA + {found.counts['geometry']:,} geometry "
            f"encoder), {found.counts['frozen']:,} frozen; sizes are {sizes}",
            f"memory      about {guess.memory:.1f} GiB a device: {guess.weights:.1f} frozen weights, "
            f"{guess.trained:.1f} trained parameters with gradients and optimizer, {guess.activations:.1f} activations",
            f"time        at least {guess.seconds:.2f} s a step, {hours:.1f} h for {settings.steps} steps: "
            f"{guess.flops / 1e12:.0f} TFLOP a step at the speed of a large matrix product on {found.device}",
        ]
    )


# Training --------------------------------------------------------------------------------------------------------


def load_model(models: ModelFiles, request: TrainingRequest, dtype: torch.dtype) -> AdaptedTransformer:
    """The frozen transformer with an adapter, on the CPU."""
    transformer: Any = load_component(models.part("transformer"), dtype, "cpu")
    if request.start is None:
        return adapt(transformer, request.settings)
    start = find_models([request.start])
    start.check_not_quantized("training")
    lora, geometry = load_adapter(start, torch.float32, "cpu")
    assert lora is not None
    model = adapt(transformer, request.settings, geometry)
    model.load_lora(lora)
    return model


def _prepared(request: TrainingRequest, out: Path, progress: Progress, processes: int) -> Dataset:
    if is_prepared(request.data):
        dataset = Dataset.open(request.data)
        dataset.check()
        return dataset
    if processes > 1:
        raise UsageError(
            f"{request.data} is not prepared, and several devices would wait for that.",
            "Run `ex4d train prepare` first and name its folder as --data.",
        )
    return prepare(find_videos(request.data), out / "data", request.dataset, progress, request.workers)


@dataclass(frozen=True)
class TrainingResult:
    """What a run has left.

    Attributes:
        folder: of the run.
        steps: of the optimizer, in all.
        parameters: of ``parameter_counts``.
        checkpoint, adapter: of ``export_run``.
    """

    folder: Path
    steps: int
    parameters: dict[str, int]
    checkpoint: Path
    adapter: Path


def train(request: TrainingRequest, progress: Progress) -> TrainingResult | None:
    """Train, or go on with a run; writes checkpoints, logs, samples and, at the end, the adapter.

    Returns:
        What is there now; None in all processes but the main one.

    Raises:
        UsageError, BadInputError, ResourceError: see ``Trainer`` and what it needs; all before the first step.
    """
    out, settings = request.out, request.settings
    assert out is not None
    models = find_models(request.models)
    models.check_not_quantized("training")
    cpu = pick_device().type == "cpu"
    dtype = training_dtype(cpu=cpu)
    accelerator = create_accelerator(settings, dtype, cpu=cpu)
    told = progress if accelerator.is_main_process else Silent()
    device = accelerator.device
    dataset = _prepared(request, out, told, accelerator.num_processes)
    store = LatentStore.of(dataset, models)
    captions = [NEGATIVE_PROMPT, *sorted({window.caption for window in dataset.windows})]
    own: Sequence[Window] = dataset.windows[accelerator.process_index :: accelerator.num_processes]
    store.encode(models, own, captions, device, dtype, told)
    accelerator.wait_for_everyone()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    train_on, held_out = dataset.split(settings.held_out)
    model = load_model(models, request, dtype)
    counts = parameter_counts(model)
    told.note(
        f"Training {counts['lora']:,} parameters of the LoRA and {counts['geometry']:,} of the geometry encoder on "
        f"{counts['frozen']:,} frozen ones; {len(train_on)} clips, {len(held_out)} held out."
    )
    codec = encoding_pipeline(models, torch.device("cpu"), dtype) if settings.sample_every else None
    trainer = Trainer(model, Clips(store, train_on, held_out), settings, out, accelerator, told, codec)
    trainer.train()
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return None
    checkpoint, adapter = export_run(out)
    return TrainingResult(out, settings.steps, counts, checkpoint, adapter)


def export_run(run: Path, step: int | None = None) -> tuple[Path, Path]:
    """Export a run's last checkpoint, or the one of a step: its running mean where there is one.

    Raises:
        BadInputError: there is no such checkpoint.
    """
    checkpoint = find_checkpoint(run, step)
    lora, geometry = adapter_of(checkpoint.ema() or checkpoint.adapter(), checkpoint.state()["settings"])
    return export(lora, geometry, run / "export")
