# SPDX-License-Identifier: Apache-2.0
"""The training: a backbone that makes clips from their first frames, then adapters on it that fill simulated masks, and
what each of them makes of the takes. All within given times on one GPU."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ex4d.training.flow import TrainingSchedule
from ex4d.training.model import AdaptedTransformer, Batch, adapt, parameter_counts
from ex4d.training.sampling import sample
from ex4d.training.settings import TrainingSettings
from research.fill_proof.model import PatchCodec, backbone, conditions, velocity
from research.fill_proof.pack import KINDS, VARIANTS, unpack
from research.fill_proof.takes import Takes

#: Adapters by the masks that they learn.
POLICIES = ("rendering", "tracking", "either", "both")
#: Pictures of 64 pixels are drowned by less noise than those that Wan's shift of 5 is for.
SHIFT = 2.0
BATCH, RATE, ADAPTER_RATE, AVERAGE = 96, 6e-4, 1.5e-3, 0.998
#: Of a backbone that goes on with other clips.
RATE_ON = 2e-4
RANK, GEOMETRY_CHANNELS = 16, 256
STEPS = 25
#: The adapter of which so many samples are averaged too: one sample has its own details, which count as errors twice
#: where nothing tells what was there; the mean is what the model knows.
AVERAGED, SAMPLES = "either", 8
#: What is cut out is no smaller than this share of what is learned, and as large as the clips at most.
NEAREST = 0.8
#: Steps after which the loss is read. Reading it waits for the GPU, which then has nothing to do until the next step's
#: work reaches it; never reading it, steps would be asked for that no time is left for.
READ_EVERY = 10
#: One in so many clips is held out to see whether the others are learned by heart; batches of them.
HELD_SHARE, HELD_ROUNDS = 20, 8


@dataclass
class Store:
    """Clips on the GPU, cut, scaled and mirrored at random.

    Attributes:
        rgb: (N, T, H, W, 3) uint8.
        masks: (N, kind, variant, T, H, W) bool.
        size: side of what is learned.
    """

    rgb: Tensor
    masks: Tensor
    size: int

    def draw(self, count: int, policy: str) -> tuple[Tensor, Tensor]:
        """Videos (B, 3, T, size, size) in [−1, 1] and what is kept of them (B, 1, T, size, size)."""
        device = self.rgb.device
        at = torch.randint(len(self.rgb), (count,), device=device)
        # A batch has one scale: few clips are learned by heart less soon where they also come nearer and farther.
        whole = self.rgb.shape[2]
        side = int(torch.randint(min(round(NEAREST * self.size), whole), whole + 1, ()))
        top, left = (int(torch.randint(whole - side + 1, ())) for _ in "yx")
        rows, columns = slice(top, top + side), slice(left, left + side)
        videos = self.rgb[at, :, rows, columns].permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        masks = self.masks[at, :, torch.randint(VARIANTS, (count,), device=device), :, rows, columns]
        if policy == "both":
            kept = masks.all(1)
        elif policy == "either":
            kept = masks[torch.arange(count, device=device), torch.randint(len(KINDS), (count,), device=device)]
        else:
            kept = masks[:, KINDS.index(policy)]
        shape = (videos.shape[2], self.size, self.size)
        videos = functional.interpolate(videos, shape, mode="trilinear")
        kept = functional.interpolate(kept[:, None].float(), shape, mode="nearest") > 0.5
        mirrored = torch.rand(count, device=device) < 0.5
        videos[mirrored], kept[mirrored] = videos[mirrored].flip(-1), kept[mirrored].flip(-1)
        return _recoloured(videos), kept

    def split(self, held: int) -> tuple[Store, Store]:
        """All clips but the last ``held`` ones, and those."""
        rest, last = slice(None, -held), slice(-held, None)
        return Store(self.rgb[rest], self.masks[rest], self.size), Store(self.rgb[last], self.masks[last], self.size)


def _recoloured(videos: Tensor) -> Tensor:
    """Videos (B, 3, T, H, W) in [−1, 1], each with its channels in any order and a little lighter or darker: few clips
    are learned by heart otherwise."""
    order = torch.rand(len(videos), 3, device=videos.device).argsort(1).view(-1, 3, 1, 1, 1)
    gain = torch.empty(len(videos), 1, 1, 1, 1, device=videos.device).uniform_(0.75, 1.25)
    return (torch.take_along_dim(videos, order, 1) * gain + (gain - 1)).clamp(-1, 1)


class _Run:
    """Steps of one model within a time."""

    def __init__(self, parameters: list[torch.nn.Parameter], rate: float) -> None:
        self.parameters, self.rate = parameters, rate
        self.optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
        self.average = [parameter.detach().clone() for parameter in parameters]

    def run(self, seconds: float, loss_of: Callable[[], Tensor], name: str) -> None:
        """Train; the parameters are their running mean after it."""
        begun, steps, running = time.monotonic(), 0, torch.zeros(())
        while (share := (time.monotonic() - begun) / seconds) < 1:
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * min(1.0, (steps + 1) / 60) * (0.5 + 0.5 * math.cos(math.pi * share) + 1e-3)
            loss = loss_of()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            steps += 1
            torch._foreach_lerp_(
                self.average, [p.detach() for p in self.parameters], 1 - min(AVERAGE, steps / (steps + 9))
            )
            running = torch.lerp(running, loss.detach(), 0.02) if steps > 1 else loss.detach()
            if steps % READ_EVERY == 0 and not math.isfinite(float(running)):
                raise RuntimeError(f"{name}: the loss is no number.")
            if steps % 100 == 0:
                passed = time.monotonic() - begun
                print(f"{name}: {passed:5.1f} s, step {steps}, loss {float(running):.4f}", flush=True)
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.average)
        print(f"{name}: {steps} steps in {seconds:.0f} s, loss {float(running):.4f}", flush=True)


def _compiled(transformer: Any) -> Any:
    """With blocks that Inductor compiles where there is a GPU: most of so small a model's time is elementwise work."""
    for block in transformer.blocks if next(transformer.parameters()).is_cuda else ():
        block.compile(dynamic=False)
    return transformer


def _loss(
    model: torch.nn.Module, codec: PatchCodec, store: Store, policy: str, schedule: TrainingSchedule, count: int
) -> Tensor:
    videos, kept = store.draw(count, policy)
    batch = conditions(codec, videos, kept)
    levels = schedule.draw(count, torch.default_generator)
    noisy, wanted = schedule.mix(batch.clips, torch.randn_like(batch.clips), levels)
    with torch.autocast(videos.device.type, torch.bfloat16, enabled=videos.is_cuda):
        predicted = velocity(model, noisy, schedule.timesteps[levels].to(videos.device), batch)
    return schedule.loss(predicted, wanted, levels)


@torch.no_grad()
def held_loss(
    model: torch.nn.Module, codec: PatchCodec, store: Store, policy: str, schedule: TrainingSchedule, count: int
) -> float:
    """Of clips that nothing is learned from, the same ones with the same noise for every model."""
    with (
        torch.compiler.set_stance("force_eager"),
        torch.random.fork_rng([store.rgb.get_device()] if store.rgb.is_cuda else []),
    ):
        torch.manual_seed(7)
        rounds = [float(_loss(model, codec, store, policy, schedule, count)) for _ in range(HELD_ROUNDS)]
    return float(np.mean(rounds))


@torch.no_grad()
def fill(
    model: torch.nn.Module, codec: PatchCodec, takes: Takes, device: torch.device, seed: int = 0, at_once: int = 32
) -> np.ndarray:
    """What a model makes of takes: (N, T, H, W, 3) uint8. Other seeds make other noise."""
    out = []
    for begin in range(0, len(takes.color), at_once):
        color = torch.from_numpy(takes.color[begin : begin + at_once]).to(device).permute(0, 4, 1, 2, 3) / 127.5 - 1
        kept = torch.from_numpy(takes.kept[begin : begin + at_once]).to(device)[:, None]
        batch = conditions(codec, color, kept)

        def predict(noisy: Tensor, timestep: Tensor, batch: Batch) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                return velocity(model, noisy, timestep, batch)

        # Of other sizes than training; compiling for them would take longer than this.
        with torch.compiler.set_stance("force_eager"):
            latents = sample(predict, batch, batch.prompt, STEPS, SHIFT, guidance=1.0, seed=seed)
        video = codec.decode(latents).permute(0, 2, 3, 4, 1)
        out.append((video * 127.5 + 127.5).round().byte().cpu().numpy())
    return np.concatenate(out)


def _with_adapter(
    base: torch.nn.Module, codec: PatchCodec, store: Store, policy: str, seconds: float, batch: int, kept: Path
) -> AdaptedTransformer:
    """The adapter that is kept in this file, else trained and kept there."""
    settings = TrainingSettings(rank=RANK, alpha=RANK, channels=GEOMETRY_CHANNELS, checkpointing=False, seed=3)
    model = adapt(copy.deepcopy(base), settings).to(store.rgb.device).train()
    trainable = dict(model.trainable())
    if kept.exists():
        record = torch.load(kept, map_location=store.rgb.device, weights_only=True)
        with torch.no_grad():
            for name, parameter in trainable.items():
                parameter.copy_(record[name])
        return model.eval()
    _compiled(model.transformer)
    schedule = TrainingSchedule(SHIFT)
    run = _Run(list(trainable.values()), ADAPTER_RATE)
    run.run(seconds, partial(_loss, model, codec, store, policy, schedule, batch), policy)
    _save({name: parameter.detach() for name, parameter in trainable.items()}, kept)
    return model.eval()


def train(
    data: Path,
    takes_file: Path,
    out: Path,
    *,
    seconds: float,
    adapter_seconds: float,
    device: str,
    batch: int = BATCH,
    policies: Sequence[str] = POLICIES,
    start: Path | None = None,
) -> None:
    """Train all and write what they make of the takes, NAME.npz, into ``out``. An interrupted run goes on after the
    last model that was trained; they are kept as ``backbone.pt`` and ``NAME.pt`` of the adapters.

    Args:
        data: of ``prove_training.py pack``.
        takes_file: of ``prove_training.py takes``.
        seconds, adapter_seconds: of the backbone, and of each adapter.
        policies: adapters to train, of ``POLICIES``.
        start: ``backbone.pt`` of another run, to go on from.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    place, takes, clips = torch.device(device), Takes.read(takes_file), unpack(data)
    store = Store(*(torch.from_numpy(part).to(place) for part in (clips.rgb, clips.masks)), takes.color.shape[2])
    learned, held = store.split(max(1, len(clips.rgb) // HELD_SHARE))
    videos, _ = learned.draw(256, "both")
    codec = PatchCodec.fit(videos)
    error = (codec.decode(codec.encode(videos)) - videos).square().mean()
    kept = [float(store.masks[:, kind].float().mean()) for kind in range(len(KINDS))]
    print(f"{len(clips.rgb)} clips, kept {kept}, patches {10 * math.log10(4 / float(error)):.1f} dB", flush=True)
    base, schedule = backbone().to(place), TrainingSchedule(SHIFT)
    kept_backbone = out / "backbone.pt"
    known = kept_backbone if kept_backbone.exists() else start
    if known:
        record = torch.load(known, map_location=place, weights_only=True)
        base.load_state_dict(record["backbone"])
        codec = PatchCodec(**record["codec"])
        print(f"backbone: {known}", flush=True)
    if known != kept_backbone:
        run = _Run(list(_compiled(base.train()).parameters()), RATE_ON if start else RATE)
        run.run(seconds, partial(_loss, base, codec, learned, "both", schedule, batch), "backbone")
        _save({"backbone": base.state_dict(), "codec": vars(codec)}, kept_backbone)
    base.eval().requires_grad_(False)
    if not (out / "backbone.npz").exists():
        print(f"backbone: held-out loss {held_loss(base, codec, held, 'both', schedule, batch):.4f}", flush=True)
        _write(out / "backbone.npz", fill(base, codec, takes, place))
    for number, policy in enumerate(policies):
        if (out / f"{policy}.npz").exists() and (policy != AVERAGED or (out / "mean.npz").exists()):
            continue
        model = _with_adapter(base, codec, learned, policy, adapter_seconds, batch, out / f"{policy}.pt")
        print(f"{policy}: held-out loss {held_loss(model, codec, held, policy, schedule, batch):.4f}", flush=True)
        if number == 0:
            print(parameter_counts(model), flush=True)
        made = fill(model, codec, takes, place)
        _write(out / f"{policy}.npz", made)
        if policy == AVERAGED:
            others = (fill(model, codec, takes, place, seed) for seed in range(1, SAMPLES))
            total = sum(others, start=made.astype(np.float32))
            _write(out / "mean.npz", np.rint(total / SAMPLES).astype(np.uint8))


def _save(record: dict[str, Any], path: Path) -> None:
    torch.save(record, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def _write(path: Path, videos: np.ndarray) -> None:
    np.savez_compressed(path.with_suffix(".part.npz"), videos=videos)
    path.with_suffix(".part.npz").replace(path)
