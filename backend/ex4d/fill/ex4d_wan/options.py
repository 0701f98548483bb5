# SPDX-License-Identifier: Apache-2.0
"""What a user may choose of the EX-4D model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ex4d.fill.spec import Options
from ex4d.protocol.capabilities import OptionInfo
from ex4d.protocol.errors import UsageError
from ex4d.protocol.values import MAX_SEED, check_seed, parse_size

#: Steps of a sampler: those of its training.
MAX_STEPS = 1000
#: GPUs of a host: the transformer's heads are shared by no more.
MAX_GPUS = 80

SEED = OptionInfo(
    "seed", "Seed", "integer", minimum=0, maximum=MAX_SEED, help="of a model's random numbers (default 0)"
)
PROMPT = OptionInfo(
    "prompt", "Prompt", "text", help="what a model is told about the shot (default: the released script's prompt)"
)
SIZE = OptionInfo(
    "fill_size", "Size", "size", help="size a model works at, such as 832x480 (default: about 512x512 pixels)"
)
STEPS = OptionInfo(
    "steps", "Steps", "integer", minimum=1, maximum=MAX_STEPS, help="steps of a model (default: the profile's)"
)
DISTILL_LORA = OptionInfo(
    "distill_lora", "Distilling LoRA", "file", help="LoRA of Wan 2.1 that distils steps, for --fill draft"
)
GPUS = OptionInfo(
    "gpus", "GPUs", "integer", minimum=1, maximum=MAX_GPUS, help="GPUs that share the work on one take (default 1)"
)


@dataclass(frozen=True)
class ModelOptions:
    """What was chosen.

    Attributes:
        seed: of random numbers, None = the released script's.
        prompt: what the text encoder is told, None = the released script's.
        size: (width, height) that the model works at, None = by the take.
        models: folders or files of the model, () = ``EX4D_MODELS`` or the user's folder.
        lora: file of a LoRA that distils steps.
        steps: of the sampler, None = the profile's.
        gpus: that share the work on a take, None = one.

    Raises:
        UsageError: a number is out of range.
    """

    seed: int | None = None
    prompt: str | None = None
    size: tuple[int, int] | None = None
    models: tuple[Path, ...] = ()
    lora: Path | None = None
    steps: int | None = None
    gpus: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            check_seed(self.seed)
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise UsageError(f"A model cannot take {self.steps} steps.", f"Give 1 to {MAX_STEPS}.")
        if self.gpus is not None and not 1 <= self.gpus <= MAX_GPUS:
            raise UsageError(f"A take cannot be made on {self.gpus} GPUs.", f"Give 1 to {MAX_GPUS}.")

    @classmethod
    def parse(cls, options: Options, models: tuple[Path, ...] = ()) -> ModelOptions:
        """From the options of a request, whose types are right.

        Raises:
            UsageError: a value is out of range or not understood.
        """
        size, lora = options.get(SIZE.name), options.get(DISTILL_LORA.name)
        return cls(
            seed=_integer(options, SEED),
            prompt=_text(options, PROMPT),
            size=parse_size(str(size)) if size is not None else None,
            models=models,
            lora=Path(str(lora)) if lora else None,
            steps=_integer(options, STEPS),
            gpus=_integer(options, GPUS),
        )


def _integer(options: Options, option: OptionInfo) -> int | None:
    value = options.get(option.name)
    return int(value) if value is not None else None


def _text(options: Options, option: OptionInfo) -> str | None:
    value = options.get(option.name)
    return str(value) if value is not None else None
