# SPDX-License-Identifier: Apache-2.0
"""What people read of stages and their parts: in the terminal, from the service, in Blender. Standard library only."""

from __future__ import annotations

#: By the name that stands in folders, JSON and messages.
STAGE_NAMES = {
    "plate": "Reading plate",
    "solve": "Solving camera",
    "depth": "Depth",
    "mesh": "Mesh",
    "viewport": "Viewport mesh",
    "raster": "Rendering",
    "preview": "Rendering",
    "positions": "Rendering positions",
    "background": "Other frames",
    "fill": "Filling",
    # Parts of a fill by a model.
    "read": "Reading take",
    "prompt": "Reading prompt",
    "load": "Loading model",
    "encode": "Encoding",
    "denoise": "Denoising",
    "decode": "Decoding",
    "composite": "Compositing",
    "projection": "Projecting",
    "export": "Exporting",
    "mesh.ply": "Writing PLY",
    "mesh.pc2": "Writing PC2",
    "mesh.npz": "Writing NPZ",
    "download": "Downloading",
    "verify": "Verifying",
    "convert": "Converting",
    "score": "Scoring",
    "doctor": "Diagnosing",
    "free_memory": "Freeing memory",
    "scan": "Looking at clips",
    "masks": "Drawing masks",
    "latents": "Encoding clips",
    "train": "Training",
}


def stage_name(name: str) -> str:
    """What people read of a stage; its own name where there is none."""
    return STAGE_NAMES.get(name, name)
