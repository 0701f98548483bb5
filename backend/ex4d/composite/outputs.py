# SPDX-License-Identifier: Apache-2.0
"""Which of what can be asked of a take's files changes them, for its key and its record."""

from __future__ import annotations

from typing import Any

from ex4d.media.encoding import TruthEncoding
from ex4d.protocol.requests import OutputRequest


def output_inputs(output: OutputRequest, truth: TruthEncoding) -> dict[str, Any]:
    """What of a request stands in a take's key: nothing for what is delivered unless told otherwise, nor for what has
    no effect on a plate of this truth.

    Args:
        output: what was asked for.
        truth: of the plate.
    """
    inputs: dict[str, Any] = {}
    if output.pictures != "linear" and truth.kind == "codes":
        inputs["pictures"] = output.pictures
    if output.compression != "zip" and (output.aov or writes_exr(output, truth)):
        inputs["compression"] = output.compression
    if output.aov:
        inputs["aov"] = 1
    if output.movie:
        inputs["movie"] = output.movie
    if output.audio:
        inputs["audio"] = 1
    return {"output": inputs} if inputs else {}


def delivery_notes(output: OutputRequest, truth: TruthEncoding, *, has_alpha: bool, by_model: bool) -> tuple[str, ...]:
    """Says which of what was asked for has no effect, and what is not in it.

    Args:
        output: what was asked for.
        truth: of the plate.
        has_alpha: whether the plate has alpha.
        by_model: whether a generative model fills.
    """
    notes = []
    if has_alpha and output.movie and output.movie != "prores4444":
        notes.append("The movie for editing is without the plate's alpha: --movie prores4444 has it.")
    if output.pictures != "linear" and truth.kind != "codes":
        what = "scene-linear, and so are its results" if truth.kind == "linear" else "a display picture as it is"
        notes.append(f"--pictures {output.pictures} has no effect: the plate is {what}.")
    if output.compression != "zip" and not (output.aov or writes_exr(output, truth)):
        notes.append("--exr-compression has no effect: no OpenEXR files are delivered.")
    if output.grain and not by_model:
        notes.append("--grain has no effect: it is for what a generative model draws.")
    return tuple(notes)


def writes_exr(output: OutputRequest, truth: TruthEncoding) -> bool:
    """Whether the result's pictures are OpenEXR files."""
    return truth.kind == "linear" or (truth.kind == "codes" and output.pictures == "linear")
