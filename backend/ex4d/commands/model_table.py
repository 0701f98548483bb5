# SPDX-License-Identifier: Apache-2.0
"""The models that can be downloaded, as lines for people: size, licence, commercial use, memory."""

from __future__ import annotations

from ex4d.jobs.catalogue import downloadables
from ex4d.protocol.models import ModelInfo

_STATES = {"here": "here", "begun": "begun", "absent": "not here"}


def model_infos() -> dict[str, ModelInfo]:
    """All, by name."""
    return {model.name: model.info() for model in downloadables()}


def needs_line(info: ModelInfo, profile: str = "") -> str:
    """Its size, what it may be used for and the memory that it, or one of its profiles, needs."""
    about = "" if info.size_known else "about "
    size = f"{info.size / 1e9:.1f} GB" if info.size >= 1e9 else f"{info.size / 1e6:.0f} MB"
    return " ".join([f"To download and on disk: {about}{size}.", *info.use(profile)])


def table(infos: dict[str, ModelInfo]) -> str:
    """Three lines a model."""
    lines = []
    for info in infos.values():
        lines.append(f"{info.name:<28}{_STATES[info.state]:<10}{info.title}: {info.label}")
        lines.append(f"{'':<28}Licence: {info.licence}.")
        lines.append(f"{'':<28}{needs_line(info)}")
    return "\n".join(lines)
