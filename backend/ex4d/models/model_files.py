# SPDX-License-Identifier: Apache-2.0
"""Finding the model's parts among files, told by what they hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ex4d.models.identify import Kind, kind_of
from ex4d.models.locations import LORA_CONFIG, SUFFIXES, TOKENIZER_FILES, candidate_files
from ex4d.models.tensors import TensorFile, TensorSet, check_shards
from ex4d.protocol.errors import BadInputError

#: What EX-4D's checkpoint is made of in our converted folder.
LORA_FOLDER = "lora"
#: In the config.json of a transformer that ``ex4d models convert`` wrote in 8 bits, under the key at which diffusers
#: looks: it refuses a method that it does not know.
QUANTIZATION_KEY, QUANTIZATION_METHOD = "quantization_config", "ex4d_float8"
#: How the names of 8-bit layers' scales end.
SCALE = ".scale"


@dataclass(frozen=True)
class Part:
    """The weights of one part of the model.

    Attributes:
        kind: what they are.
        tensors: of all shards.
        config: what a config.json beside them says, or {}.
    """

    kind: Kind
    tensors: TensorSet
    config: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.tensors.files[0].path.parent

    @property
    def label(self) -> str:
        """What they are, for people."""
        return "8-bit fused transformer" if self.quantized else str(self.kind)

    @cached_property
    def quantized(self) -> bool:
        """Whether it is a transformer whose linear layers are ``Fp8Linear``: weights in 8 bits with scales of their
        rows, EX-4D's LoRA fused before. Told by the tensors; a file of 8-bit weights without scales is none."""
        if self.kind is not Kind.TRANSFORMER:
            return False
        # Where all scales are lost the configuration still says what the weights are.
        eight = torch.float8_e4m3fn in self.tensors.dtypes.values()
        return any(name.endswith(SCALE) for name in self.tensors.shapes) or (eight and self.marked)

    @property
    def marked(self) -> bool:
        """Whether its configuration says that ``ex4d models convert`` wrote it in 8 bits."""
        marker = self.config.get(QUANTIZATION_KEY)
        return isinstance(marker, dict) and marker.get("quant_method") == QUANTIZATION_METHOD

    @property
    def parameters(self) -> int:
        """Number of weights, without the scales of 8-bit ones."""
        return sum(math.prod(self.tensors.shapes[name]) for name in self.tensors.shapes if not self._is_scale(name))

    @property
    def gib(self) -> float:
        """GiB where it is loaded: in 16 bits, but for the linear layers of a transformer that is ``quantized``."""
        shapes = self.tensors.shapes
        return sum(math.prod(shape) * self._itemsize(name) for name, shape in shapes.items()) / 2**30

    def _is_scale(self, name: str) -> bool:
        return self.quantized and name.endswith(SCALE)

    def _itemsize(self, name: str) -> int:
        if self._is_scale(name):
            return 4
        return 1 if self.quantized and self.tensors.dtypes.get(name) == torch.float8_e4m3fn else 2

    def check_not_quantized(self, who: str) -> None:
        """Raise BadInputError for a transformer in 8 bits, which ``who`` cannot use."""
        if self.quantized:
            raise BadInputError(
                f"The transformer in {self.folder} is in 8 bits with EX-4D's LoRA fused, and {who} needs the original "
                "one.",
                "Name the original files; this folder is for the profiles fast and turbo, and for load_pipeline.",
            )


@dataclass(frozen=True)
class ModelFiles:
    """All weights that were found.

    Attributes:
        parts: by role: "transformer", "vae", "text", "image", "adapter", "lora", "geometry".
        tokenizer: folder of the text encoder's tokenizer, None = not found.
        places: the folders that were searched, for messages.
    """

    parts: Mapping[str, Part]
    tokenizer: Path | None
    places: tuple[Path, ...]

    def part(self, role: str) -> Part:
        """The weights of a part; raises BadInputError where there are none."""
        if role not in self.parts:
            raise BadInputError(
                f"No {ROLE_NAMES[role]} was found in {' or '.join(map(str, self.places))}.",
                "`ex4d models download` gets the model; `ex4d models list DIR` shows what a folder holds.",
            )
        return self.parts[role]

    def check_tokenizer(self) -> None:
        """Raise BadInputError where the text encoder's tokenizer is missing."""
        if self.tokenizer is None:
            raise BadInputError(
                f"No tokenizer of the text encoder was found in {' or '.join(map(str, self.places))}.",
                "It is the folder google/umt5-xxl of Wan's download; `ex4d models download` gets it.",
            )

    @property
    def quantized(self) -> bool:
        """Whether the transformer is in 8 bits; see ``Part``."""
        return "transformer" in self.parts and self.parts["transformer"].quantized

    def check_not_quantized(self, who: str) -> None:
        """See ``Part``."""
        if self.quantized:
            self.parts["transformer"].check_not_quantized(who)

    def check_quantized(self) -> None:
        """Raise BadInputError where a transformer in 8 bits is not known to have EX-4D's LoRA in it, or another LoRA
        lies beside it."""
        if not self.quantized:
            return
        transformer = self.parts["transformer"]
        if not transformer.marked:
            raise BadInputError(
                f"The 8-bit transformer in {transformer.folder} was not written by `ex4d models convert`, so it has no "
                "LoRA of EX-4D.",
                f"Name the original files; where it was, its config.json has lost «{QUANTIZATION_KEY}».",
            )
        for role in ("adapter", "lora"):
            if role in self.parts:
                raise BadInputError(
                    f"{self.parts[role].folder} holds a LoRA, and EX-4D's is fused into the 8-bit transformer in "
                    f"{transformer.folder} already.",
                    "Name the folder of the 8-bit model alone, or the original files with the LoRA.",
                )

    def files(self) -> list[Path]:
        """All files of weights."""
        return [file.path for part in self.parts.values() for file in part.tensors.files]


_ROLES: dict[Kind, str] = {
    Kind.WAN_TRANSFORMER: "transformer",
    Kind.TRANSFORMER: "transformer",
    Kind.WAN_VAE: "vae",
    Kind.VAE: "vae",
    Kind.WAN_TEXT: "text",
    Kind.TEXT: "text",
    Kind.WAN_IMAGE: "image",
    Kind.IMAGE: "image",
    Kind.ADAPTER: "adapter",
    Kind.LORA: "lora",
    Kind.GEOMETRY: "geometry",
}
#: For messages.
ROLE_NAMES = {
    "transformer": "Wan 2.1 transformer",
    "vae": "Wan 2.1 VAE",
    "text": "UMT5 text encoder",
    "image": "CLIP image encoder",
    "adapter": "EX-4D checkpoint",
    "lora": "EX-4D LoRA",
    "geometry": "EX-4D geometry encoder",
}


def find_models(places: Sequence[Path]) -> ModelFiles:
    """Look for the model's parts in folders (or files), by what the files hold.

    Raises:
        BadInputError: a folder is missing, a file is damaged, a shard is missing, or a part is there twice.
        TransientError: a file cannot be read.
    """
    paths = candidate_files(places)
    weights = [path for path in paths if path.suffix.lower() in SUFFIXES]
    check_shards(weights)
    found: dict[str, dict[tuple[Path, Kind], list[TensorFile]]] = {}
    for path in weights:
        file = TensorFile.open(path)
        kind = kind_of(file.shapes)
        # Other LoRAs may lie about; EX-4D's in peft's format has its configuration beside it.
        if kind is Kind.LORA and not (path.parent / LORA_CONFIG).is_file():
            continue
        if kind is not None:
            found.setdefault(_ROLES[kind], {}).setdefault((path.parent, kind), []).append(file)
    parts = {}
    for role, groups in found.items():
        if len(groups) > 1:
            raise BadInputError(
                f"There is more than one {ROLE_NAMES[role]}: in "
                f"{' and in '.join(str(folder) for folder, _ in groups)}.",
                "Name the folders or files to use one by one.",
            )
        ((folder, kind), files), *_ = groups.items()
        parts[role] = Part(kind, TensorSet.of(files), _config_beside(folder, role))
    tokenizers = [path.parent for path in paths if path.name in TOKENIZER_FILES and _is_text_tokenizer(path)]
    return ModelFiles(parts, tokenizers[0] if tokenizers else None, tuple(places))


def _is_text_tokenizer(path: Path) -> bool:
    # Wan's repository also has the tokenizer of CLIP's text half, which nothing uses.
    return "xlm" not in path.parent.name.lower()


def _config_beside(folder: Path, role: str) -> dict[str, Any]:
    """What a config.json in the folder says of a part: flat, as Wan's and diffusers', or by part."""
    config: Any = None
    with suppress(OSError, ValueError):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        return {}
    section = {"transformer": "dit", "adapter": "lora"}.get(role, role)
    inner = config.get(section)
    return inner if isinstance(inner, dict) else config


def missing_roles(models: ModelFiles) -> list[str]:
    """Names of parts that a take needs and that were not found."""
    needed = ["transformer", "vae", "text", "image"]
    if models.quantized:
        needed += ["geometry"]
    else:
        needed += ["lora", "geometry"] if "geometry" in models.parts else ["adapter"]
    missing = [ROLE_NAMES[role] for role in needed if role not in models.parts]
    return missing + (["tokenizer"] if models.tokenizer is None else [])
