# SPDX-License-Identifier: Apache-2.0
"""Weights that are stored in 8 bits, on a GPU: converted, read through page-locked memory, checked."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

# ruff: noqa: E402  they need what the lines above look for
import tiny
from safetensors.torch import load_file, save_file

from ex4d.fill.ex4d_wan.convert import convert_model
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.weights import load_adapter
from ex4d.models.wan.fp8 import SENSITIVE_FIRST, SENSITIVE_LAST
from ex4d.models.wan.load import Layout, load_component
from ex4d.protocol.errors import BadInputError
from ex4d.system.progress import Silent

WEIGHT = "blocks.2.ffn.net.2.weight"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The toy model as released, and in 8 bits."""
    root = tmp_path_factory.mktemp("quantized")
    tiny.write_model(root / "released", layers=SENSITIVE_FIRST + 2 + SENSITIVE_LAST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EX4D_DEVICE", "cuda")
        convert_model(find_models([root / "released"]), root / "eight", torch.float8_e4m3fn, Silent())
    return root / "released", root / "eight"


@pytest.mark.parametrize("parked", [False, True])
def test_weights_are_those_that_fast_makes_on_the_gpu(folders: tuple[Path, Path], parked: bool) -> None:
    released, eight = (find_models([folder]) for folder in folders)
    lora, _ = load_adapter(released, torch.bfloat16, "cuda")
    layout = Layout(fp8=True, multiply=True, store=(lambda _name: torch.device("cpu")) if parked else None)
    made, read = (
        load_component(models.part("transformer"), torch.bfloat16, "cuda", loras, layout).state_dict()
        for models, loras in ((released, (lora,)), (eight, ()))
    )
    assert set(made) == set(read)
    assert made[WEIGHT].dtype == torch.float8_e4m3fn
    for name, tensor in made.items():
        assert read[name].device.type == ("cpu" if parked else "cuda")
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name].contiguous().view(torch.uint8), tensor.contiguous().view(torch.uint8)), name


def test_nan_in_8_bits_is_found_on_the_gpu(folders: tuple[Path, Path]) -> None:
    path = folders[1] / "transformer" / "diffusion_pytorch_model.safetensors"
    whole = load_file(path)
    damaged = {**whole, WEIGHT: whole[WEIGHT].clone()}
    damaged[WEIGHT].view(torch.uint8)[-1, -1] = 0xFF
    try:
        save_file(damaged, path)
        part = find_models([folders[1]]).part("transformer")
        with pytest.raises(BadInputError, match=f"«{WEIGHT}» of the Wan 2.1 transformer holds NaN"):
            load_component(part, torch.bfloat16, "cuda", (), Layout(fp8=True))
    finally:
        save_file(whole, path)
