# SPDX-License-Identifier: Apache-2.0
"""The preview fill as the registry knows it."""

from __future__ import annotations

from pathlib import Path

from ex4d.fill.base import Generator
from ex4d.fill.preview.info import INFO
from ex4d.fill.spec import GeneratorSpec, Options


def _create(_name: str, _options: Options, _models: tuple[Path, ...]) -> Generator:
    # It draws meshes, which menus don't.
    from ex4d.fill.preview.generator import PreviewFill

    return PreviewFill()


SPEC = GeneratorSpec(infos=(INFO,), create=_create)
