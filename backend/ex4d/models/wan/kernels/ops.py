# SPDX-License-Identifier: Apache-2.0
"""Operations of the transformer's blocks, known to torch, so that a compiled graph stays whole.

Each is a torch expression, which holds anywhere and is what tests compare with; on CUDA a Triton kernel takes its
place where triton is there. Kernels compute in float32 and round once, at their end.

Shapes: hidden states (B, S, N); scale, shift and gate (B or 1, N); rows (B·S, N) in float8_e4m3fn with the rows' scales
(B·S, 1) in float32, such that values are about rows · scales.
"""

# No postponed annotations: torch reads signatures.

from collections.abc import Callable
from typing import Any

import torch
from torch.library import custom_op
from torch.nn import functional

from ex4d.models.wan.kernels import has_triton

#: Largest value of float8_e4m3fn.
FP8_MAX = 448.0

_NORM = "Tensor scale, Tensor shift, float eps, bool plus_one"


def quantized(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of (n, k) → float8_e4m3fn (n, k) and their scales (n, 1) float32; ``values ≈ quantized · scales``."""
    scale = values.abs().amax(dim=-1, keepdim=True).float().clamp_min(1e-12) / FP8_MAX
    return (values.float() / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale


def _normed(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, eps: float, plus_one: bool) -> torch.Tensor:
    normed = functional.layer_norm(x.float(), x.shape[-1:], None, None, eps)
    factor = scale.float()[:, None] + 1 if plus_one else scale.float()[:, None]
    return (normed * factor + shift.float()[:, None]).type_as(x)


def _added(x: torch.Tensor, update: torch.Tensor, gate: torch.Tensor | None) -> torch.Tensor:
    change = update.float() if gate is None else update.float() * gate.float()[:, None]
    return (x.float() + change).type_as(x)


def _rows(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return quantized(values.flatten(0, -2))


def _rotated(values: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    x, y = values.float().chunk(2, dim=-1)
    cos, sin = cos[..., 0::2], sin[..., 1::2]
    return torch.cat((x * cos - y * sin, x * sin + y * cos), dim=-1).type_as(values)


def _heads_normed(
    values: torch.Tensor,
    weight: torch.Tensor,
    cos: torch.Tensor | None,
    sin: torch.Tensor | None,
    heads: int,
    eps: float,
) -> torch.Tensor:
    out = functional.rms_norm(values, values.shape[-1:], weight.to(values.dtype), eps).unflatten(-1, (heads, -1))
    return out.contiguous() if cos is None or sin is None else _rotated(out, cos, sin)


def _hadamard(values: torch.Tensor) -> torch.Tensor:
    """The last axis, a power of two, turned by Sylvester's Hadamard matrix of length 1."""
    size, width = values.shape[-1], 1
    while width < size:
        one, other = values.unflatten(-1, (-1, 2, width)).unbind(-2)
        values = torch.stack((one + other, one - other), dim=-2).flatten(-3)
        width *= 2
    return values / size**0.5


def _in_8_bits(values: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    return (values.float() * inverse[:, None]).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn)


def _heads_fp8(
    values: torch.Tensor,
    weight: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    mean: torch.Tensor | None,
    inverse: torch.Tensor,
    heads: int,
    eps: float,
) -> torch.Tensor:
    turned = _heads_normed(values.float(), weight, cos, sin, heads, eps)
    return _in_8_bits(_hadamard(turned if mean is None else turned - mean), inverse)


def _scaled_fp8(values: torch.Tensor, inverse: torch.Tensor, heads: int) -> torch.Tensor:
    return _in_8_bits(values.unflatten(-1, (heads, -1)), inverse)


def _heads_sample(
    key: torch.Tensor,
    value: torch.Tensor,
    weight: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    heads: int,
    eps: float,
    every: int,
    room: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    normed = _heads_normed(key[:, ::every].float(), weight, cos[:, ::every], sin[:, ::every], heads, eps)
    sample = value[:, ::every].unflatten(-1, (heads, -1))
    scale = sample.abs().amax(dim=(0, 1, 3)).float().clamp_min(1e-6) * (room / FP8_MAX)
    return normed.mean(dim=(0, 1)), scale, 1 / scale


def _attended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: float = 0.0) -> torch.Tensor:
    query, key, value = (heads.transpose(1, 2) for heads in (query, key, value))
    mask = None
    if bias:
        mask = query.new_zeros((1, 1, 1, key.shape[2]))
        mask[..., -1] = bias
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)


def _context_attention(
    query: torch.Tensor,
    text_key: torch.Tensor,
    text_value: torch.Tensor,
    text_bias: float,
    image_key: torch.Tensor,
    image_value: torch.Tensor,
) -> torch.Tensor:
    return _attended(query, text_key, text_value, text_bias) + _attended(query, image_key, image_value)


def _context_attention_kernel(
    query: Any, text_key: Any, text_value: Any, text_bias: Any, image_key: Any, image_value: Any
) -> torch.Tensor:
    from ex4d.models.wan.kernels.context import fits_context, launch_context_attention

    given = query, text_key, text_value, text_bias, image_key, image_value
    if not fits_context(query.shape[-1]) or query.dtype == torch.float32:
        return _context_attention(*given)
    return launch_context_attention(*given)


def _heads_shape(values: torch.Tensor, heads: int) -> torch.Tensor:
    shape = (*values.shape[:-1], heads, values.shape[-1] // heads)
    return values.new_empty(shape, dtype=torch.float8_e4m3fn)


def _empty_rows(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    number = values.numel() // values.shape[-1]
    rows = values.new_empty((number, values.shape[-1]), dtype=torch.float8_e4m3fn)
    return rows, values.new_empty((number, 1), dtype=torch.float32)


def _like(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _define(
    name: str, schema: str, expression: Callable[..., Any], shapes: Callable[..., Any], kernel: Callable[..., Any]
) -> Any:
    """An operation: what it computes, the empty results, and its kernel for CUDA."""
    op = custom_op(f"ex4d::{name}", expression, mutates_args=(), schema=schema)
    op.register_fake(shapes)
    if has_triton():
        op.register_kernel("cuda", kernel)
    return op


def _norm_kernel(x: Any, scale: Any, shift: Any, eps: float, plus_one: bool) -> torch.Tensor:
    from ex4d.models.wan.kernels.rows import launch_norm

    return launch_norm(x, None, None, (scale, shift), eps, plus_one, False)[0]


def _norm_fp8_kernel(x: Any, scale: Any, shift: Any, eps: float, plus_one: bool) -> tuple[torch.Tensor, ...]:
    from ex4d.models.wan.kernels.rows import launch_norm

    return launch_norm(x, None, None, (scale, shift), eps, plus_one, True)


def _add_norm_kernel(x: Any, update: Any, gate: Any, scale: Any, shift: Any, eps: float, plus_one: bool) -> Any:
    from ex4d.models.wan.kernels.rows import launch_norm

    return launch_norm(x, update, gate, (scale, shift), eps, plus_one, False)


def _add_norm_fp8_kernel(x: Any, update: Any, gate: Any, scale: Any, shift: Any, eps: float, plus_one: bool) -> Any:
    from ex4d.models.wan.kernels.rows import launch_norm

    return launch_norm(x, update, gate, (scale, shift), eps, plus_one, True)


def _add_gated_kernel(x: Any, update: Any, gate: Any) -> torch.Tensor:
    from ex4d.models.wan.kernels.rows import launch_norm

    return launch_norm(x, update, gate, None, 0.0, False, False)[0]


def _quantize_kernel(values: Any, other: Any, gelu: bool) -> tuple[torch.Tensor, torch.Tensor]:
    from ex4d.models.wan.kernels.rows import launch_quantize

    return launch_quantize(values, other, gelu)


def _heads_norm_kernel(values: Any, weight: Any, cos: Any, sin: Any, heads: int, eps: float) -> torch.Tensor:
    from ex4d.models.wan.kernels.heads import fits_heads, launch_heads_norm

    if not fits_heads(heads, values.shape[-1] // heads):
        return _heads_normed(values, weight, cos, sin, heads, eps)
    return launch_heads_norm(values, weight, cos, sin, heads, eps)


def _heads_fp8_kernel(
    values: Any, weight: Any, cos: Any, sin: Any, mean: Any, inverse: Any, heads: int, eps: float
) -> torch.Tensor:
    from ex4d.models.wan.kernels.heads_fp8 import launch_heads_fp8

    return launch_heads_fp8(values, weight, cos, sin, mean, inverse, heads, eps)


def _scaled_fp8_kernel(values: Any, inverse: Any, heads: int) -> torch.Tensor:
    from ex4d.models.wan.kernels.heads_fp8 import launch_scaled_fp8

    return launch_scaled_fp8(values, inverse, heads)


def _heads_sample_kernel(
    key: Any, value: Any, weight: Any, cos: Any, sin: Any, heads: int, eps: float, every: int, room: float
) -> tuple[torch.Tensor, ...]:
    from ex4d.models.wan.kernels.heads_fp8 import launch_heads_sample

    return launch_heads_sample(key, value, weight, cos, sin, heads, eps, every, room)


def _quantize(values: torch.Tensor, other: torch.Tensor | None, gelu: bool) -> tuple[torch.Tensor, torch.Tensor]:
    total = values if other is None else values + other
    return _rows(functional.gelu(total, approximate="tanh") if gelu else total)


def _add_norm(x: Any, update: Any, gate: Any, scale: Any, shift: Any, eps: float, plus_one: bool) -> Any:
    total = _added(x, update, gate)
    return total, _normed(total, scale, shift, eps, plus_one)


def _add_norm_fp8(x: Any, update: Any, gate: Any, scale: Any, shift: Any, eps: float, plus_one: bool) -> Any:
    total = _added(x, update, gate)
    return total, *_rows(_normed(total, scale, shift, eps, plus_one))


#: (x, scale, shift, eps, plus_one) → layer norm of x, times the scale, or 1 + scale, plus the shift.
norm = _define("norm", f"(Tensor x, {_NORM}) -> Tensor", _normed, lambda x, *_: _like(x), _norm_kernel)
#: The same, quantized: rows and their scales.
norm_fp8 = _define(
    "norm_fp8",
    f"(Tensor x, {_NORM}) -> (Tensor, Tensor)",
    lambda *given: _rows(_normed(*given)),
    lambda x, *_: _empty_rows(x),
    _norm_fp8_kernel,
)
#: (x, update, gate or None, …) → x + gate · update, and the norm of that.
add_norm = _define(
    "add_norm",
    f"(Tensor x, Tensor update, Tensor? gate, {_NORM}) -> (Tensor, Tensor)",
    _add_norm,
    lambda x, *_: (_like(x), _like(x)),
    _add_norm_kernel,
)
#: The same with the norm quantized: the sum, rows and their scales.
add_norm_fp8 = _define(
    "add_norm_fp8",
    f"(Tensor x, Tensor update, Tensor? gate, {_NORM}) -> (Tensor, Tensor, Tensor)",
    _add_norm_fp8,
    lambda x, *_: (_like(x), *_empty_rows(x)),
    _add_norm_fp8_kernel,
)
#: (x, update, gate or None) → x + gate · update.
add_gated = _define(
    "add_gated",
    "(Tensor x, Tensor update, Tensor? gate) -> Tensor",
    _added,
    lambda x, *_: _like(x),
    _add_gated_kernel,
)
#: (values, other or None, gelu) → rows of the sum, after GELU in its tanh form if so, and their scales.
quantize = _define(
    "quantize",
    "(Tensor values, Tensor? other, bool gelu) -> (Tensor, Tensor)",
    _quantize,
    lambda values, *_: _empty_rows(values),
    _quantize_kernel,
)
#: (values, weight (N,), cos, sin, heads, eps) → (B, S, heads, N/heads): RMS norm over all heads together, then rotary
#: embedding of the halves of each head by the tables (1, S, 1, N/heads), float32, which repeat each value twice, or
#: none.
heads_norm = _define(
    "heads_norm",
    "(Tensor values, Tensor weight, Tensor? cos, Tensor? sin, int heads, float eps) -> Tensor",
    _heads_normed,
    lambda values, weight, cos, sin, heads, eps: values.new_empty(
        (*values.shape[:-1], heads, values.shape[-1] // heads)
    ),
    _heads_norm_kernel,
)
#: (values, weight (N,), cos, sin, mean (heads, N/heads) float32 or None, inverse (heads,) float32, heads, eps) → (B, S,
#: heads, N/heads) in float8_e4m3fn: ``heads_norm``, less the mean, each head turned by a Hadamard matrix, times the
#: inverse of the head's scale. What is turned alike, queries and keys, keeps its products.
heads_fp8 = _define(
    "heads_fp8",
    "(Tensor values, Tensor weight, Tensor cos, Tensor sin, Tensor? mean, Tensor inverse, int heads, float eps)"
    " -> Tensor",
    _heads_fp8,
    lambda values, weight, cos, sin, mean, inverse, heads, eps: _heads_shape(values, heads),
    _heads_fp8_kernel,
)
#: (values, inverse (heads,) float32, heads) → (B, S, heads, N/heads) in float8_e4m3fn, times the inverse of its scale.
scaled_fp8 = _define(
    "scaled_fp8",
    "(Tensor values, Tensor inverse, int heads) -> Tensor",
    _scaled_fp8,
    lambda values, inverse, heads: _heads_shape(values, heads),
    _scaled_fp8_kernel,
)
#: (key, value, weight (N,), cos, sin, heads, eps, every, room) → of every so many tokens: the mean (heads, N/heads) of
#: the keys after ``heads_norm``; the values' scale (heads,), at which ``room`` times their largest is the largest of 8
#: bits; and its inverse. All float32.
heads_sample = _define(
    "heads_sample",
    "(Tensor key, Tensor value, Tensor weight, Tensor cos, Tensor sin, int heads, float eps, int every, float room)"
    " -> (Tensor, Tensor, Tensor)",
    _heads_sample,
    lambda key, value, weight, cos, sin, heads, *_: (
        key.new_empty((heads, key.shape[-1] // heads), dtype=torch.float32),
        key.new_empty((heads,), dtype=torch.float32),
        key.new_empty((heads,), dtype=torch.float32),
    ),
    _heads_sample_kernel,
)
#: (query (B, S, heads, D), text key and value (B, n, heads, D), text bias, image key and value) → (B, S, heads·D): the
#: query's attention to the text, whose last score has the bias added, plus that to the image.
context_attention = _define(
    "context_attention",
    "(Tensor query, Tensor text_key, Tensor text_value, float text_bias, Tensor image_key, Tensor image_value)"
    " -> Tensor",
    _context_attention,
    lambda query, *_: query.new_empty((*query.shape[:2], query.shape[2] * query.shape[3])),
    _context_attention_kernel,
)
