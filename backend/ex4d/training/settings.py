# SPDX-License-Identifier: Apache-2.0
"""What decides a training run, each default with its source."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ex4d.fill.ex4d_wan.quirks import SHIFT
from ex4d.protocol.errors import UsageError

#: What may change when a run goes on: how far and how often, not what is learned.
FREE = ("steps", "checkpoint_every", "keep", "validate_every", "sample_every", "sample_steps")


@dataclass(frozen=True)
class TrainingSettings:
    """How the adapter is trained.

    Attributes:
        steps: of the optimizer, in all.
        learning_rate, weight_decay, clip_norm: of AdamW; a clip_norm of 0 does not clip.
        warmup: steps over which the learning rate rises from 0.
        batch: clips at once on one device.
        accumulate: batches whose gradients are summed for one step.
        rank, alpha: of the LoRA.
        channels: of the geometry encoder's middle layers.
        shift: of the noise levels.
        eight_bit: keep AdamW's state in 8 bits (bitsandbytes).
        ema: decay of a running mean of the weights that is exported in their place; 0 = none.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        held_out: share of the videos that validation uses and training does not.
        seed: of the order of clips, of noise and of noise levels.
        checkpoint_every, keep: steps between checkpoints, and how many of them stay.
        validate_every: steps between validations; 0 = none.
        sample_every, sample_steps: steps between sample videos (0 = none), and steps of their sampler.
    """

    steps: int = 10_000
    # The released README's sample command.
    learning_rate: float = 3e-5
    # torch's own default, which DiffSynth's trainer keeps.
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    warmup: int = 100
    batch: int = 1
    accumulate: int = 1
    # The released checkpoint.
    rank: int = 16
    alpha: float = 16.0
    channels: int = 1024
    shift: float = SHIFT
    eight_bit: bool = False
    ema: float = 0.0
    checkpointing: bool = True
    held_out: float = 0.02
    seed: int = 0
    checkpoint_every: int = 500
    keep: int = 3
    validate_every: int = 500
    sample_every: int = 1000
    sample_steps: int = 25

    def __post_init__(self) -> None:
        at_least = {
            1: ("steps", "batch", "accumulate", "rank", "channels", "checkpoint_every", "keep", "sample_steps"),
            0: ("warmup", "validate_every", "sample_every", "seed", "weight_decay", "clip_norm"),
        }
        for least, names in at_least.items():
            for name in names:
                if getattr(self, name) < least:
                    raise UsageError(f"{_spelled(name)} cannot be {getattr(self, name)}.", f"Use {least} or more.")
        for name in ("learning_rate", "alpha", "shift"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{_spelled(name)} cannot be {getattr(self, name)}.", "Use a number above 0.")
        for name in ("ema", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{_spelled(name)} cannot be {getattr(self, name)}.", "Use a share from 0 up to 1.")

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def check_resumes(self, record: dict[str, Any]) -> None:
        """Raise UsageError where a run with the settings of ``record`` cannot go on with these."""
        for entry in fields(self):
            if entry.name not in FREE and record.get(entry.name) != getattr(self, entry.name):
                raise UsageError(
                    f"The run was begun with {_spelled(entry.name)} {record.get(entry.name)}, not "
                    f"{getattr(self, entry.name)}.",
                    "Give the same settings, or another --out to begin anew.",
                )


def _spelled(name: str) -> str:
    return "--" + name.replace("_", "-")
