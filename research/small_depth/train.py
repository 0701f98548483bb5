# SPDX-License-Identifier: Apache-2.0
"""The training itself: a given time on one GPU; checks itself on frames of scenes that it never sees."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from research.small_depth.batches import Store, batch
from research.small_depth.losses import loss
from research.small_depth.network import SmallDepth, keep, unfolded, with_places
from research.small_depth.pack import unpack
from research.small_depth.report import check, clip_frames, examples, sheet

RATE, DECAY, WARM_UP, LONGEST_STEP = 2.5e-3, 0.03, 400, 1.0
#: The same where training goes on from weights that are good already, as a share of the size of each layer's.
RATE_ON, WARM_UP_ON = 2e-3, 40
#: Levels of the decoder that learn then, from 1/32 on.
COARSE = 2
#: Of the running mean of the weights that is kept, per step.
AVERAGE = 0.9992
REPORT_EVERY_S = 45.0


def _gone_on(start: Path) -> SmallDepth:
    """Exported weights to go on from. What sees edges and textures, and what draws them, is left as it is: the layout
    of a scene is what there is to learn, and the rest is half of the work."""
    # Reads ONNX, which training from nothing has no use for.
    from research.small_depth.start import load_exported

    model = load_exported(start)
    coarse = (model.lateral, model.narrow, model.smooth)
    fixed = [
        model.stem,
        model.first,
        model.stages[0],
        model.last,
        *(part for parts in coarse for part in parts[COARSE:]),
    ]
    for part in fixed:
        part.requires_grad_(False)
    return model


def _size(weights: Tensor) -> float:
    """Root of the mean square, and a little where all are zero."""
    return max(float(weights.detach().square().mean().sqrt()), 1e-3)


class Trainer:
    """A network that learns, and the running mean of its weights, which is what is kept."""

    def __init__(self, store: Store, device: str, start: Path | None) -> None:
        self.store = store
        self.device = torch.device(device)
        self.going_on = start is not None
        self.rate, self.warm_up = (RATE_ON, WARM_UP_ON) if self.going_on else (RATE, WARM_UP)
        self.model = (SmallDepth() if start is None else _gone_on(start)).to(
            self.device, memory_format=torch.channels_last
        )
        self.average = copy.deepcopy(self.model).eval()
        self.steps = 0
        learned = [p for p in self.model.parameters() if p.requires_grad]
        if self.going_on:
            # Folded weights have the size that they need, 0.005 in one layer and 0.2 in another, and nothing brings it
            # back: steps are a share of it, and decay is none.
            groups = [{"params": [p], "weight_decay": 0.0, "share": _size(p)} for p in learned]
        else:
            groups = [
                {"params": [p for p in learned if p.ndim > 1], "weight_decay": DECAY, "share": 1.0},
                {"params": [p for p in learned if p.ndim == 1], "weight_decay": 0.0, "share": 1.0},
            ]
        self.optimiser = torch.optim.AdamW(groups, lr=self.rate, betas=(0.9, 0.98))

    def state(self) -> dict[str, Tensor]:
        """What is kept."""
        return (unfolded(self.average) if self.going_on else self.average).state_dict()

    def step(self, size: int, share: float) -> Tensor:
        """One batch; ``share`` of the time is over. Returns the loss."""
        rate = self.rate * min(1, (self.steps + 1) / self.warm_up) * (0.5 + 0.5 * math.cos(math.pi * share) + 1e-3)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        pictures, log_disparity = batch(self.store, size)
        x = with_places(pictures).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            y = self.model(x)
        value = loss(functional.interpolate(y.float(), log_disparity.shape[-2:], mode="bilinear"), log_disparity)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], LONGEST_STEP)
        self.optimiser.step()
        self.steps += 1
        self._average()
        return value.detach()

    @torch.no_grad()
    def _average(self) -> None:
        new = 1 - min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), new)
        for own, other in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if own.is_floating_point():
                own.lerp_(other, new)
            else:
                own.copy_(other)


def train(
    data: Sequence[Path],
    held: Path,
    clip: Path | None,
    out: Path,
    *,
    seconds: float,
    size: int,
    device: str,
    start: Path | None = None,
) -> None:
    """Train for so long and write ``weights.pt`` and sheets into ``out``.

    Args:
        data, held: of ``small_depth pack``; the second one is only looked at for the report.
        clip: a video to look at.
        size: of the batches.
        start: weights of ``small_depth export`` to go on from.

    Raises:
        RuntimeError: the loss is no number.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    # No trial of algorithms: with six sizes of batches the trials took longer than half of the time.
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    frames = unpack(held)
    held_out, trainer = Store(frames, device), Trainer(Store(unpack(*data), device), device, start)
    print(f"{len(trainer.store)} frames, {len(held_out)} held out", flush=True)
    print(f"held out before: {check(trainer.average, held_out, frames.labels)}", flush=True)
    examples(*batch(trainer.store, 24), out / "examples.jpg")
    begun = reported = time.monotonic()
    running = 0.0
    while (now := time.monotonic()) - begun < seconds:
        value = trainer.step(size, (now - begun) / seconds)
        if trainer.steps % 20 == 0:
            running = 0.9 * running + 0.1 * value.item() if running else value.item()
            if not math.isfinite(running):
                raise RuntimeError("The loss is no number.")
        if now - reported > REPORT_EVERY_S:
            reported = now
            rate = trainer.steps * size / (now - begun)
            report = check(trainer.average, held_out, frames.labels)
            print(f"{now - begun:4.0f} s, {rate:.0f} frames/s, loss {running:.3f}; held out: {report}", flush=True)
            keep(trainer.state(), out / "weights.pt")
    keep(trainer.state(), out / "weights.pt")
    print(f"{trainer.steps} steps; held out: {check(trainer.average, held_out, frames.labels)}", flush=True)
    if clip:
        sheet(trainer.average, clip_frames(clip), out / "clip.png", (224, 256, 320, 384))
    pick = np.linspace(0, len(held_out) - 1, 10).astype(int)
    sheet(trainer.average, [frames.pictures[i] for i in pick], out / "held.png", (256, 320))
