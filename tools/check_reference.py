#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the model with reference values of the released EX-4D code: tools/check_reference.py FOLDER

FOLDER holds a model in any layout that `ex4d models list` understands (such as dit.safetensors, vae.safetensors and
ex4d.ckpt, with sizes in config.json), inputs.npz and expected.npz:

    inputs     color, mask, clip_features, prompt_embeds, negative_prompt_embeds, noise
    expected   geometry_embeds, condition, sigmas, timesteps, velocity_cond_step0, velocity_uncond_step0,
               latents (after each step), video

Prints the relative error |ours - reference| / |reference| of each. Exit code 1 where one is above the bound.
Needs the packages of ex4d[gpu]; where this Python lacks them, the environment that scripts/test made is used. Runs on
the CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venv-model"


def use_environment() -> None:
    """Go on in the tests' environment where this Python cannot run the model."""
    if all(importlib.util.find_spec(name) for name in ("ex4d", "torch", "diffusers", "transformers")):
        return
    python = ENVIRONMENT / "bin" / "python"
    if Path(sys.prefix) == ENVIRONMENT or not python.exists():
        sys.exit("error: this Python lacks the packages of ex4d[gpu].\n       Run scripts/test once, or install them.")
    os.execv(python, [str(python), *sys.argv])


def main() -> int:
    """Run the script; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bfloat16", action="store_true", help="report bfloat16's drift instead; no bound")
    args = parser.parse_args()
    use_environment()

    import torch

    from ex4d.fill.ex4d_wan.reference import BOUND, check
    from ex4d.protocol.errors import Ex4dError

    try:
        report = check(args.folder, torch.bfloat16 if args.bfloat16 else torch.float32)
    except Ex4dError as error:
        print(f"error: {error.message}\n       {error.hint}", file=sys.stderr)
        return error.exit_code
    for name, value in report.items():
        print(f"{name:<24}{value:.2e}{'' if args.bfloat16 or value <= BOUND else f'  above {BOUND:.0e}'}")
    return 0 if args.bfloat16 or max(report.values()) <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
