# SPDX-License-Identifier: Apache-2.0
"""EX-4D as the registry knows it: one way to fill for each profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ex4d.fill.base import Generator
from ex4d.fill.ex4d_wan.conditioning import TAKES
from ex4d.fill.ex4d_wan.file_kinds import EX4D_FILES
from ex4d.fill.ex4d_wan.options import DISTILL_LORA, GPUS, PROMPT, SEED, SIZE, STEPS, ModelOptions
from ex4d.fill.ex4d_wan.profiles import LICENCE, PROFILES, Profile
from ex4d.fill.spec import GeneratorSpec, Options
from ex4d.protocol.capabilities import GeneratorInfo


def _info(profile: Profile) -> GeneratorInfo:
    options = (SEED, PROMPT, SIZE, STEPS, GPUS, *((DISTILL_LORA,) if profile.distilled else ()))
    return GeneratorInfo(profile.name, profile.label, LICENCE, generative=True, options=options)


def _create(name: str, options: Options, models: tuple[Path, ...]) -> Generator:
    # OpenCV and the places of models, which menus don't need.
    from ex4d.fill.ex4d_wan.generator import create_fill

    return create_fill(name, ModelOptions.parse(options, models))


def _missing_files(places: Sequence[Path]) -> list[str]:
    # Torch reads them.
    from ex4d.fill.ex4d_wan.model_files import find_models, missing_roles

    return missing_roles(find_models(places))


def _check(options: Options) -> None:
    ModelOptions.parse(options)


SPEC = GeneratorSpec(
    infos=tuple(_info(profile) for profile in PROFILES.values()),
    create=_create,
    check=_check,
    takes=TAKES,
    files=EX4D_FILES,
    missing_files=_missing_files,
    # Of generate.py's own options: --num_inference_steps.
    spelled_otherwise=frozenset({STEPS.name}),
)
