# SPDX-License-Identifier: Apache-2.0
"""Fills holes with one colour."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.fill.base import FillSink, PixelOrigin, TakeView
from ex4d.fill.spec import GeneratorSpec, Options
from ex4d.protocol.capabilities import GeneratorInfo, OptionInfo
from ex4d.system.progress import Progress, steps

INFO = GeneratorInfo(
    "toy",
    "one colour",
    "MIT",
    generative=False,
    options=(
        OptionInfo("seed", "Seed", "integer", minimum=0),
        OptionInfo("paint_share", "Share", "number", default=0.5, minimum=0, maximum=1, help="of white in the colour"),
    ),
)


@dataclass(frozen=True)
class ToyFill:
    share: float
    seed: int | None = None

    name, label, licence, generative = INFO.name, INFO.label, INFO.licence, INFO.generative
    prompt: str | None = None

    @property
    def progress_parts(self) -> Mapping[str, float]:
        return {}

    def prepare(self, count: int | None) -> str:
        return ""

    def read_ahead(self) -> AbstractContextManager[None]:
        return nullcontext()

    def inputs(self) -> dict[str, Any]:
        return {"version": 1, "share": self.share, "seed": self.seed}

    def generate(self, take: TakeView, sink: FillSink, progress: Progress) -> tuple[str, ...]:
        for frame in steps(progress, take.frames()):
            white = np.iinfo(frame.color.dtype).max
            known = frame.mask > 0
            color = np.where(known[..., None], frame.color, round(white * self.share)).astype(frame.color.dtype)
            origin = np.where(known, np.uint8(PixelOrigin.MEASURED), np.uint8(PixelOrigin.INVENTED))
            sink.write(frame.number, color, origin)
        return ("Painted.",)


def _create(_name: str, options: Options, _models: tuple[Path, ...]) -> ToyFill:
    share, seed = options.get("paint_share"), options.get("seed")
    return ToyFill(0.5 if share is None else float(share), None if seed is None else int(seed))


SPEC = GeneratorSpec(infos=(INFO,), create=_create)
