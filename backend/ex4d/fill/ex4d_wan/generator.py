# SPDX-License-Identifier: Apache-2.0
"""The EX-4D model as a generator. Imports nothing of it until it generates."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.fill.base import FillSink, PixelOrigin, TakeView
from ex4d.fill.ex4d_wan.clip import check_count, check_size, make_clip, model_size
from ex4d.fill.ex4d_wan.options import ModelOptions
from ex4d.fill.ex4d_wan.profiles import LICENCE, PROFILES, Plan, Profile
from ex4d.fill.ex4d_wan.quirks import NEGATIVE_PROMPT, PROMPT
from ex4d.models.locations import lora_fingerprint, model_places
from ex4d.models.packages import missing_packages, require_packages
from ex4d.models.prefetch import PREFETCHER
from ex4d.protocol.errors import UsageError
from ex4d.system.progress import Progress

#: The parts of its work, with their usual shares of the time.
PROGRESS_PARTS = {"read": 0.02, "prompt": 0.03, "load": 0.1, "encode": 0.05, "denoise": 0.65, "decode": 0.15}
#: File of a LoRA that distils steps, where none is named.
LORA_VARIABLE = "EX4D_DISTILL_LORA"


@dataclass
class ModelFill:
    """See ``Generator``.

    Attributes:
        profile: how.
        options: what the user chose.
    """

    profile: Profile
    options: ModelOptions = field(default_factory=ModelOptions)
    _plan: Plan | None = field(default=None, init=False)

    generative = True
    licence = LICENCE

    @property
    def name(self) -> str:
        """See ``Generator``."""
        return self.profile.name

    @property
    def label(self) -> str:
        """See ``Generator``; says so where the profile's precision did not fit into memory."""
        return self.profile.label + (", in 8 bits for want of memory" if self._lowered else "")

    @property
    def _lowered(self) -> bool:
        return self._plan is not None and self._plan.fp8 and not self.profile.fp8

    @property
    def seed(self) -> int:
        """See ``Generator``; 0 unless chosen, as in the released script."""
        return self.options.seed if self.options.seed is not None else 0

    @property
    def prompt(self) -> str:
        """What the model is told; the released script's unless chosen."""
        return self.options.prompt if self.options.prompt is not None else PROMPT

    @property
    def places(self) -> tuple[Path, ...]:
        """Where the model's files are looked for."""
        return model_places(self.options.models)

    @property
    def lora(self) -> Path | None:
        """The LoRA that distils steps: the one named, or that of ``EX4D_DISTILL_LORA``; None for profiles without."""
        if not self.profile.distilled:
            return None
        named = os.environ.get(LORA_VARIABLE)
        return self.options.lora or (Path(named) if named else None)

    def prepare(self, count: int | None) -> str:
        """See ``Generator``.

        Raises:
            ResourceError: packages are missing, or memory.
            BadInputError: the model's files are missing or damaged.
            UsageError: the take is too long, the size impossible, or a LoRA is needed.
        """
        require_packages()
        if self.options.size is not None:
            check_size(self.options.size)
        if count is not None:
            check_count(count)
        if self.profile.distilled and (self.lora is None or not self.lora.is_file()):
            raise UsageError(
                f"The profile «{self.name}» needs a LoRA that distils steps"
                + (f", and {self.lora} is no file." if self.lora else "."),
                "Name its file with --distill-lora or in the add-on's preferences, or choose the profile fast.",
            )
        from ex4d.fill.ex4d_wan.host import model_host

        self._plan = model_host().plan(self.places, self.profile, self.options.size, count, self.options.gpus or 1)
        return self._plan.text

    def _planned(self) -> Plan:
        """How it runs here, as ``prepare`` found: what changes pixels is decided once, before the key is made."""
        if self._plan is None:
            self.prepare(None)
            assert self._plan is not None
        return self._plan

    @property
    def progress_parts(self) -> Mapping[str, float]:
        """See ``Generator``."""
        return PROGRESS_PARTS

    @contextmanager
    def read_ahead(self) -> Iterator[None]:
        """See ``Generator``: the model's files, while libraries are imported and earlier stages run."""
        if not missing_packages():
            PREFETCHER.begin(self.places)
        try:
            yield
        finally:
            PREFETCHER.end()

    def inputs(self) -> dict[str, Any]:
        """See ``Generator``.

        Raises:
            as ``prepare``: it has to know where and how precisely the model runs.
        """
        plan = self._planned()
        found = {
            "version": 1,
            "profile": [self.profile.steps, self.profile.guidance, self.profile.shift, plan.fp8],
            "seed": self.seed,
            "prompt": self.prompt,
            "negative_prompt": NEGATIVE_PROMPT,
            "size": list(self.options.size or ()),
            "model": plan.weights,
            "lora": lora_fingerprint(self.lora) if self.lora else None,
            **plan.inputs(),
        }
        if self.lora is not None:
            # Its strength and its changes of norms were not read before.
            found["lora_version"] = 2
        return found

    def generate(self, take: TakeView, sink: FillSink, progress: Progress) -> tuple[str, ...]:
        """See ``Generator``."""
        require_packages()
        from ex4d.fill.ex4d_wan.host import Request, model_host

        size = self.options.size or model_size(take.width, take.height)
        progress.begin("read", take.count)
        clip = make_clip(take, size, self.seed, progress.advance)
        progress.end()
        plan = self._planned()
        request = Request(
            self.places,
            self.profile,
            self.prompt,
            NEGATIVE_PROMPT,
            self.seed,
            self.lora,
            plan.fp8,
            self.options.gpus or 1,
        )
        dtype = np.uint8 if clip.white == 255 else np.uint16
        PREFETCHER.end()
        pictures, notes = model_host().run(request, clip, progress)
        known, other = clip.known[clip.lead :], clip.other[clip.lead :]
        origins = np.where(known, np.uint8(PixelOrigin.MEASURED), np.uint8(PixelOrigin.INVENTED))
        origins[other] = PixelOrigin.OTHER_FRAME
        for number, origin, picture in zip(clip.numbers, origins, pictures, strict=False):
            sink.write(number, (picture * clip.white + 0.5).astype(dtype), origin)
        progress.end()
        lowered = (
            f"The profile «{self.name}» wants its weights in 16 bits; there was memory for 8, which changes pixels. "
            "Where there is more, the take is made anew in 16."
        )
        return (f"Filled by {self.label}.", *([lowered] if self._lowered else []), *clip.notes, *notes)


def _with_steps(profile: Profile, steps: int | None) -> Profile:
    """The profile with another number of steps, which its label says."""
    if steps in (None, profile.steps):
        return profile
    own = f"{profile.steps} distilled steps"
    label = profile.label.replace(own, f"{steps} distilled steps")
    return replace(profile, steps=steps, label=label if own in profile.label else f"{profile.label}, {steps} steps")


def create_fill(name: str, options: ModelOptions) -> ModelFill:
    """The fill of a profile.

    Raises:
        UsageError: it has no use for an option.
    """
    profile = PROFILES[name]
    if options.lora is not None and not profile.distilled:
        raise UsageError(f"The fill «{name}» takes no LoRA that distils steps.", "Leave it out, or use --fill draft.")
    return ModelFill(_with_steps(profile, options.steps), options)
