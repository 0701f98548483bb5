# SPDX-License-Identifier: Apache-2.0
"""Our own folder of the model: diffusers' layout, the LoRA in peft's format, the geometry encoder beside it.

Or, for the profiles that compute in 8 bits, with the transformer as they have it, the LoRA fused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from peft import LoraConfig
from safetensors.torch import save_file

from ex4d.fill.ex4d_wan.adapter import TARGETS
from ex4d.fill.ex4d_wan.quirks import SHIFT
from ex4d.fill.ex4d_wan.weights import LORA_FOLDER, check_lora_fits, load_adapter
from ex4d.models.model_files import QUANTIZATION_KEY, QUANTIZATION_METHOD, ModelFiles, Part
from ex4d.models.torch_device import pick_device
from ex4d.models.wan.load import Layout, load_component, load_tokenizer
from ex4d.models.wan.lora import Lora
from ex4d.models.wan.sampler import create_scheduler
from ex4d.protocol.errors import BadInputError
from ex4d.system.files import make_folder, remove_tree, temporary_sibling, writing
from ex4d.system.progress import Progress

INDEX_FILE = "model_index.json"
_FOLDERS = {"transformer": "transformer", "vae": "vae", "text": "text_encoder", "image": "image_encoder"}


def convert_model(models: ModelFiles, target: Path, dtype: torch.dtype, progress: Progress) -> None:
    """Write a folder that ``EX4DPipeline.from_pretrained`` loads; it appears when it is whole.

    Args:
        models: in any layout, but with a transformer that is not in 8 bits already.
        target: the folder to make.
        dtype: of the weights, but for the adapter's, which stay in float32. float8_e4m3fn: of the linear layers that
            the profile ``fast`` has in 8 bits, as it makes them, the LoRA fused; all others are in bfloat16. Such a
            folder is for the profiles ``fast`` and ``turbo``, and for ``load_pipeline``.
        progress: one step a part.

    Raises:
        BadInputError: the folder exists, or a part is missing or damaged, or in 8 bits.
        TransientError: it cannot be written.
    """
    models.check_not_quantized("convert")
    if target.exists():
        raise BadInputError(f"{target} exists already.", "Name a new folder.")
    eight_bit = dtype == torch.float8_e4m3fn
    dtype = torch.bfloat16 if eight_bit else dtype
    roles = [role for role in _FOLDERS if role in models.parts or role in ("transformer", "vae")]
    progress.begin("convert", len(roles) + 1)
    make_folder(target.parent)
    temporary = temporary_sibling(target)
    try:
        with writing(target):
            index: dict[str, Any] = {"_class_name": "EX4DPipeline", "_diffusers_version": diffusers.__version__}
            lora, geometry = load_adapter(models, torch.float32, "cpu")
            assert lora is not None
            for role in roles:
                if eight_bit and role == "transformer":
                    component: Any = _fused_in_8_bits(models.part(role), lora)
                else:
                    component = load_component(models.part(role), dtype, "cpu")
                component.save_pretrained(temporary / _FOLDERS[role])
                library = "diffusers" if role in ("transformer", "vae") else "transformers"
                index[_FOLDERS[role]] = [library, type(component).__name__]
                del component
                progress.advance()
            if "text" in roles:
                models.check_tokenizer()
                assert models.tokenizer is not None
                tokenizer = load_tokenizer(models.tokenizer)
                tokenizer.save_pretrained(temporary / "tokenizer")
                index["tokenizer"] = ["transformers", type(tokenizer).__name__]
            geometry.save_pretrained(temporary / "geometry_encoder")
            index["geometry_encoder"] = ["ex4d.diffusion", "GeometryEncoder"]
            if eight_bit:
                _mark_quantized(temporary / _FOLDERS["transformer"] / "config.json", lora)
            else:
                save_lora(lora, temporary / LORA_FOLDER)
            scheduler = create_scheduler(SHIFT)
            scheduler.save_pretrained(temporary / "scheduler")
            index["scheduler"] = ["diffusers", type(scheduler).__name__]
            _write_json(temporary / INDEX_FILE, index)
            progress.advance()
            temporary.rename(target)
    except BaseException:
        remove_tree(temporary)
        raise
    progress.end()


def _fused_in_8_bits(part: Part, lora: Lora) -> Any:
    """The transformer as the profile ``fast`` has it on a GPU, by the same steps, in main memory. They are done on the
    GPU where there is one: it is faster, and its float32 products of the LoRA differ from a CPU's in the last bit."""
    layout = Layout(fp8=True, store=lambda _name: torch.device("cpu"))
    transformer = load_component(part, torch.bfloat16, pick_device(), (lora,), layout)
    # Afterwards nothing tells which blocks the LoRA has changed.
    check_lora_fits(transformer, lora)
    return transformer


def _mark_quantized(config: Path, lora: Lora) -> None:
    """Say in a transformer's config.json what its weights are."""
    document = json.loads(config.read_text(encoding="utf-8"))
    document[QUANTIZATION_KEY] = {
        "quant_method": QUANTIZATION_METHOD,
        "weights": "float8_e4m3fn",
        "scales": "rows",
        "fused_lora": lora.name,
    }
    _write_json(config, document)


def save_lora(lora: Lora, folder: Path) -> None:
    """A LoRA of one rank as peft saves it: ``adapter_config.json`` and ``adapter_model.safetensors``."""
    first = next(iter(lora.layers.values()))
    rank = first.down.shape[0]
    config = LoraConfig(r=rank, lora_alpha=first.scale * rank, target_modules=list(TARGETS), lora_dropout=0.0)
    make_folder(folder)
    config.save_pretrained(str(folder))
    tensors = {}
    for name, layer in lora.layers.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = layer.down.float().contiguous()
        tensors[f"base_model.model.{name}.lora_B.weight"] = layer.up.float().contiguous()
    save_file(tensors, folder / "adapter_model.safetensors")


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
