# SPDX-License-Identifier: Apache-2.0
"""Comparing the model with reference values of the released code; `tools/check_reference.py` shows them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ex4d.fill.ex4d_wan.geometry import geometry_added
from ex4d.fill.ex4d_wan.load import load_pipeline
from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline
from ex4d.fill.ex4d_wan.quirks import GUIDANCE, SHIFT
from ex4d.models.wan.sampler import create_scheduler, set_steps
from ex4d.protocol.errors import BadInputError

#: In float32; bfloat16 drifts, see docs/model.md.
BOUND = 1e-4

Values = dict[str, torch.Tensor]


def read_values(path: Path) -> Values:
    """The arrays of an npz file, float32."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(np.asarray(file[name], dtype=np.float32)) for name in file.files}
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.", "Name a folder with reference values.") from error


def sampler_settings(folder: Path) -> tuple[float, float]:
    """(guidance, shift) of the folder's config.json, or the released ones."""
    try:
        sampler = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("sampler", {})
    except (OSError, ValueError):
        sampler = {}
    return float(sampler.get("cfg", GUIDANCE)), float(sampler.get("shift", SHIFT))


@torch.no_grad()
def compute(pipeline: EX4DPipeline, inputs: Values, steps: int, guidance: float) -> Values:
    """What the reference holds, by our pipeline."""
    color, mask = inputs["color"], inputs["mask"]
    found = {"geometry_embeds": pipeline.encode_geometry(color, mask), "condition": pipeline.encode_condition(color)}
    scheduler = pipeline.scheduler
    set_steps(scheduler, steps)
    found["sigmas"], found["timesteps"] = scheduler.sigmas[:-1].clone(), scheduler.timesteps.clone()
    with geometry_added(pipeline.transformer, found["geometry_embeds"]):
        for name, context in (("cond", "prompt_embeds"), ("uncond", "negative_prompt_embeds")):
            found[f"velocity_{name}_step0"] = pipeline.predict_velocity(
                inputs["noise"],
                scheduler.timesteps[:1].expand(color.shape[0]),
                found["condition"],
                inputs[context],
                inputs["clip_features"],
            )
    latents: list[torch.Tensor] = []
    result = pipeline(
        color,
        mask,
        prompt_embeds=inputs["prompt_embeds"],
        negative_prompt_embeds=inputs["negative_prompt_embeds"],
        image_embeds=inputs["clip_features"],
        latents=inputs["noise"],
        num_inference_steps=steps,
        guidance_scale=guidance,
        callback_on_step_end=lambda _pipeline, _index, _time, tensors: latents.append(tensors["latents"].clone()),
    )
    found["latents"], found["video"] = torch.stack(latents), result.frames
    return found


def errors(found: Values, expected: Values) -> dict[str, float]:
    """Relative errors by name; infinite where a value is missing, of another shape or not finite."""
    report = {}
    for name, reference in expected.items():
        ours = found.get(name)
        if ours is None or ours.shape != reference.shape or not torch.isfinite(ours).all():
            report[name] = float("inf")
        else:
            difference = (ours.double() - reference.double()).norm()
            report[name] = float(difference / reference.double().norm().clamp_min(1e-30))
    return report


def check(folder: Path, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """Relative errors of a folder's reference values.

    Raises:
        BadInputError: the folder lacks something.
    """
    inputs, expected = read_values(folder / "inputs.npz"), read_values(folder / "expected.npz")
    guidance, shift = sampler_settings(folder)
    pipeline = load_pipeline(folder, dtype=dtype)
    pipeline.register_modules(scheduler=create_scheduler(shift))
    pipeline.set_progress_bar_config(disable=True)
    return errors(compute(pipeline, inputs, len(expected["sigmas"]), guidance), expected)
