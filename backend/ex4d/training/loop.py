# SPDX-License-Identifier: Apache-2.0
"""The training loop, on one device or several, through accelerate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.system.progress import Progress
from ex4d.system.threads import prefetched
from ex4d.training.checkpoints import Checkpoint, checkpoints, write_checkpoint
from ex4d.training.data import Window
from ex4d.training.flow import LEVELS, TrainingSchedule
from ex4d.training.latents import LatentStore
from ex4d.training.logs import RunLog
from ex4d.training.model import AdaptedTransformer, Batch, keep_activations_low
from ex4d.training.optimizers import RunningMean, create_optimizer, learning_rate
from ex4d.training.order import Order, places
from ex4d.training.sampling import negative_prompt, sample, validation_loss, write_sample
from ex4d.training.settings import TrainingSettings
from ex4d.training.sharding import fill, load_optimizer_state, optimizer_state, release, sharding_plugin, whole


def training_dtype(*, cpu: bool) -> torch.dtype:
    """Of the frozen model: bfloat16 on GPUs, float32 on the CPU, where runs are tests and are to repeat exactly."""
    return torch.float32 if cpu else torch.bfloat16


def create_accelerator(settings: TrainingSettings, dtype: torch.dtype, *, cpu: bool) -> Accelerator:
    """For one device or several, as accelerate's launcher was told.

    Args:
        settings: of the run.
        dtype: of the frozen model; autocast is on where it is bfloat16.
        cpu: whether to leave GPUs alone.

    Raises:
        UsageError: see ``sharding_plugin``.
    """
    return Accelerator(
        cpu=cpu,
        mixed_precision="bf16" if dtype == torch.bfloat16 else "no",
        gradient_accumulation_steps=settings.accumulate,
        fsdp_plugin=sharding_plugin(settings),
    )


@dataclass(frozen=True)
class Clips:
    """What a run sees.

    Attributes:
        store: latents of all windows.
        train, held_out: windows.
    """

    store: LatentStore
    train: Sequence[Window]
    held_out: Sequence[Window]


class Trainer:
    """Trains an adapter.

    Args:
        model: not yet on any device.
        clips: to train on; their latents are there.
        settings: of the run.
        run: the run's folder.
        accelerator: of ``create_accelerator``.
        progress: stage "train", a step each; told by the main process only.
        codec: decodes sample videos; None = none are made.

    Raises:
        UsageError: the folder's run was begun with other settings or other data.
    """

    def __init__(
        self,
        model: AdaptedTransformer,
        clips: Clips,
        settings: TrainingSettings,
        run: Path,
        accelerator: Accelerator,
        progress: Progress,
        codec: EX4DPipeline | None = None,
    ) -> None:
        self._clips, self._settings, self._run = clips, settings, run
        self._accelerator, self._progress, self._codec = accelerator, progress, codec
        if accelerator.mixed_precision == "bf16":
            keep_activations_low(model)
        self._schedule = TrainingSchedule(settings.shift)
        self._order = Order(clips.train, clips.store.dataset.settings.variants, settings.seed)
        found = checkpoints(run)
        self._begun_from = found[-1] if found else None
        if self._begun_from is not None:
            self._check(self._begun_from.state())
            fill(dict(model.trainable()), self._begun_from.adapter())
        optimizer = create_optimizer([parameter for _, parameter in model.trainable()], settings)
        self._model, self._optimizer = accelerator.prepare(model, optimizer)
        self._adapted: AdaptedTransformer = accelerator.unwrap_model(self._model)
        self._mean = RunningMean(self._adapted.trainable(), settings.ema) if settings.ema else None
        if self._begun_from is not None:
            self._restore(self._begun_from)

    @property
    def step(self) -> int:
        """Steps that were done before this run."""
        return self._begun_from.step if self._begun_from is not None else 0

    def _check(self, state: Mapping[str, Any]) -> None:
        self._settings.check_resumes(dict(state["settings"]))
        same = state["data"] == self._clips.store.dataset.fingerprint
        if not same or state["encoders"] != self._clips.store.folder.name:
            raise UsageError(
                f"The run in {self._run} was begun with other {'encoders' if same else 'data'}.",
                "Give the same, or another --out to begin anew.",
            )
        if state["devices"] != self._accelerator.num_processes:
            raise UsageError(
                f"The run in {self._run} was begun on {state['devices']} devices, not "
                f"{self._accelerator.num_processes}.",
                "Use as many, or another --out to begin anew.",
            )

    def _restore(self, checkpoint: Checkpoint) -> None:
        load_optimizer_state(self._raw_optimizer, checkpoint.optimizer())
        mean = checkpoint.ema()
        if self._mean is not None and mean is not None:
            fill(self._mean.values, mean)

    @property
    def _raw_optimizer(self) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self._optimizer.optimizer
        return optimizer

    # Steps -------------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Train to the last step; writes a checkpoint there."""
        settings, main = self._settings, self._accelerator.is_main_process
        log = RunLog(self._run, self.step) if main else None
        if log is not None and not log.has_tensorboard:
            self._progress.note("tensorboard is not installed: figures are in log.jsonl alone.")
        self._progress.begin("train", settings.steps - self.step)
        self._model.train()
        batches = prefetched(self._load, range(self.step * settings.accumulate, settings.steps * settings.accumulate))
        started = time.perf_counter()
        total = 0.0
        for micro, (batch, noise, levels) in enumerate(batches, self.step * settings.accumulate):
            step = micro // settings.accumulate
            with self._accelerator.accumulate(self._model):
                loss = self._micro_step(batch, noise, levels, step)
            total += float(self._accelerator.gather(loss.detach()[None]).mean()) / settings.accumulate
            if (micro + 1) % settings.accumulate:
                continue
            if not total < float("inf"):
                raise BadInputError(
                    f"The loss of step {step + 1} is not finite.",
                    "Lower --learning-rate; the last checkpoint is from before.",
                )
            if self._mean is not None:
                self._mean.update(self._adapted.trainable())
            seconds, started = time.perf_counter() - started, time.perf_counter()
            rate = learning_rate(step, settings)
            if log is not None:
                log.write(step + 1, train_loss=total, train_rate=rate, train_seconds=seconds)
            total = 0.0
            self._after(step + 1, log)
            started = time.perf_counter()
            self._progress.advance()
        if log is not None:
            log.close()
        self._progress.end(cached=self.step >= settings.steps)

    def _load(self, micro: int) -> tuple[Batch, torch.Tensor, torch.Tensor]:
        """A batch with its noise and its noise levels, on the CPU."""
        settings = self._settings
        step, part = divmod(micro, settings.accumulate)
        world, rank = self._accelerator.num_processes, self._accelerator.process_index
        own = places(step, settings.accumulate, part, world, rank, settings.batch)
        batch = self._clips.store.batch([self._order[place] for place in own])
        noise = torch.stack([self._order.noise(place, batch.clips.shape[1:]) for place in own])
        return batch, noise, torch.tensor([self._order.level(place, LEVELS) for place in own])

    def _micro_step(self, batch: Batch, noise: torch.Tensor, levels: torch.Tensor, step: int) -> torch.Tensor:
        device, settings = self._accelerator.device, self._settings
        batch = batch.to(device)
        noisy, velocity = self._schedule.mix(batch.clips, noise.to(device), levels)
        predicted = self._predict(noisy, self._schedule.timesteps[levels].to(device), batch)
        loss = self._schedule.loss(predicted, velocity, levels)
        self._accelerator.backward(loss)
        if self._accelerator.sync_gradients:
            if settings.clip_norm:
                trained = [parameter for _, parameter in self._adapted.trainable()]
                self._accelerator.clip_grad_norm_(trained, settings.clip_norm)
            for group in self._raw_optimizer.param_groups:
                group["lr"] = learning_rate(step, settings)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def _predict(self, noisy: torch.Tensor, timestep: torch.Tensor, batch: Batch) -> torch.Tensor:
        # Through what accelerate has made of the model. It puts autocast around it, but not where FSDP spreads it.
        with self._accelerator.autocast():
            return self._model(noisy, timestep, batch.condition, batch.color, batch.mask, batch.prompt, batch.image)

    # Between steps -----------------------------------------------------------------------------------------------

    def _after(self, step: int, log: RunLog | None) -> None:
        settings = self._settings
        last = step == settings.steps

        def due(every: int) -> bool:
            return every > 0 and (step % every == 0 or last)

        if due(settings.checkpoint_every):
            self.save(step)
        validate = bool(self._clips.held_out) and due(settings.validate_every)
        show = self._codec is not None and due(settings.sample_every)
        if validate or show:
            self._model.eval()
            if validate:
                self._validate(step, log)
            if show:
                self._show(step)
            release(self._model)
            self._model.train()

    def _validate(self, step: int, log: RunLog | None) -> None:
        # Every process computes the same: a sharded model runs on all at once or not at all.
        clips = self._clips
        device = self._accelerator.device
        loss = validation_loss(self._predict, clips.store, clips.held_out, self._schedule, device)
        if log is not None:
            log.write(step, validation_loss=loss)

    def _show(self, step: int) -> None:
        window = (self._clips.held_out or self._clips.train)[0]
        batch = self._clips.store.batch([(window, 0)]).to(self._accelerator.device)
        negative = negative_prompt(self._clips.store)
        latents = sample(self._predict, batch, negative, self._settings.sample_steps, self._settings.shift)
        if self._accelerator.is_main_process and self._codec is not None:
            # The VAE waits on the CPU, so that training has the GPU's memory.
            home = self._codec.vae.device
            self._codec.vae.to(self._accelerator.device)
            write_sample(self._codec, batch, latents, self._run / "samples" / f"step-{step:06d}.mp4")
            self._codec.vae.to(home)

    def save(self, step: int) -> None:
        """Write a checkpoint; every process has to call this."""
        adapter = whole(dict(self._adapted.trainable()))
        optimizer = optimizer_state(self._raw_optimizer)
        mean = whole(self._mean.values) if self._mean is not None else None
        if self._accelerator.is_main_process:
            state = {
                "settings": self._settings.record(),
                "data": self._clips.store.dataset.fingerprint,
                "encoders": self._clips.store.folder.name,
                "devices": self._accelerator.num_processes,
            }
            write_checkpoint(self._run, step, adapter, optimizer, mean, state, self._settings.keep)
        self._accelerator.wait_for_everyone()
