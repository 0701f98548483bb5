# SPDX-License-Identifier: Apache-2.0
"""Writes the network as ONNX for OpenCV's DNN: float32 arithmetic, weights stored as float16. Needs torch and onnx."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from research.small_depth.network import folded, load_kept

OPSET = 13


def _halve(model: onnx.ModelProto) -> None:
    """Store large float32 constants as float16, each followed by a cast."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) > 64:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)


def export(weights: Path, out: Path) -> None:
    """ONNX with the input ``picture`` (1, 5, H, W) and the output ``log_disparity`` (1, 1, H/2, W/2).

    H and W stand in the file, because OpenCV 4 needs them to read it; both OpenCV 4 and 5 take others all the same.
    """
    buffer = io.BytesIO()
    torch.onnx.export(
        folded(load_kept(weights)),
        (torch.zeros(1, 5, 256, 320),),
        buffer,
        input_names=["picture"],
        output_names=["log_disparity"],
        opset_version=OPSET,
        dynamo=False,
    )
    made = onnx.load_from_string(buffer.getvalue())
    _halve(made)
    made.doc_string = "Depth of a single picture; Apache-2.0"
    onnx.checker.check_model(made)
    data = made.SerializeToString()
    out.write_bytes(data)
    print(f"{out}: {len(data) / 1e6:.2f} MB, SHA-256 {hashlib.sha256(data).hexdigest()}")
