# SPDX-License-Identifier: Apache-2.0
"""Finding a model's parts among files, told by what they hold."""

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

from ex4d.models.file_spec import FileKind, FileSpec, Shapes
from ex4d.models.locations import SUFFIXES, TOKENIZER_FILES, candidate_files, files_fingerprint
from ex4d.models.tensors import TensorFile, TensorSet, check_shards
from ex4d.protocol.errors import BadInputError

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
        spec: of the model that it is a part of.
    """

    kind: FileKind
    tensors: TensorSet
    config: Mapping[str, Any]
    spec: FileSpec

    @property
    def title(self) -> str:
        """What it is to the model, for messages."""
        return self.spec.role(self.kind.role).title

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.tensors.files[0].path.parent

    @property
    def label(self) -> str:
        """What they are, for people."""
        return "8-bit fused transformer" if self.quantized else self.kind.label

    @cached_property
    def quantized(self) -> bool:
        """Whether it is a transformer whose linear layers are ``Fp8Linear``: weights in 8 bits with scales of their
        rows, LoRAs fused before. Told by the tensors; a file of 8-bit weights without scales is none."""
        if not self.kind.quantizable:
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
                f"The transformer in {self.folder} is in 8 bits with {self.spec.fused} fused, and {who} needs the "
                "original one.",
                f"Name the original files; {self.spec.quantized_use}.",
            )


@dataclass(frozen=True)
class ModelFiles:
    """All weights of a model that were found.

    Attributes:
        spec: of the model.
        parts: by role, the names of ``FileSpec.roles``.
        tokenizer: folder of the text encoder's tokenizer, None = not found.
        places: the folders that were searched, for messages.
        weights: all files of weights in them but those of a part that another model's are beside, and that were passed
            over for it.
    """

    spec: FileSpec
    parts: Mapping[str, Part]
    tokenizer: Path | None
    places: tuple[Path, ...]
    weights: tuple[Path, ...] = ()

    def part(self, role: str) -> Part:
        """The weights of a part; raises BadInputError where there are none."""
        if role not in self.parts:
            raise BadInputError(
                f"No {self.spec.role(role).title} was found in {' or '.join(map(str, self.places))}.",
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

    def files(self) -> list[Path]:
        """All files of weights."""
        return [file.path for part in self.parts.values() for file in part.tensors.files]

    def fingerprint(self) -> str:
        """A hash of ``weights``, for keys of what is made with them. Earlier versions hashed all files in the places
        and refused places with two models, so every key that they made stays."""
        return files_fingerprint(self.weights)


#: Files of one part: their folder and what they are.
_Group = tuple[Path, FileKind]


def find_parts(places: Sequence[Path], spec: FileSpec) -> ModelFiles:
    """Look for a model's parts in folders (or files), by what the files hold. Files of other models are passed over,
    also where they are of the same kind and only their shapes tell (``FileRole.fits``).

    Raises:
        BadInputError: a folder is missing, a file is damaged, a shard is missing, or a part is there twice.
        TransientError: a file cannot be read.
    """
    paths = candidate_files(places)
    weights = [path for path in paths if path.suffix.lower() in SUFFIXES]
    check_shards(weights)
    found: dict[str, dict[_Group, list[TensorFile]]] = {}
    for path in weights:
        file = TensorFile.open(path)
        kind = spec.identify(file.shapes)
        if kind is None or (kind.beside and not (path.parent / kind.beside).is_file()):
            continue
        found.setdefault(kind.role, {}).setdefault((path.parent, kind), []).append(file)
    parts, others = {}, set[Path]()
    for role, groups in found.items():
        (folder, kind), files = _only_group(spec, role, groups)
        others |= {file.path for group in groups.values() if group is not files for file in group}
        section = spec.role(role).section or role
        parts[role] = Part(kind, TensorSet.of(files), _config_beside(folder, section), spec)
    tokenizers = [path.parent for path in paths if path.name in TOKENIZER_FILES and _is_text_tokenizer(path)]
    own = tuple(path for path in weights if path not in others)
    return ModelFiles(spec, parts, tokenizers[0] if tokenizers else None, tuple(places), own)


def _only_group(
    spec: FileSpec, role: str, groups: Mapping[_Group, list[TensorFile]]
) -> tuple[_Group, list[TensorFile]]:
    """The one group of a role's files that is the model's; raises BadInputError where several may be."""
    wanted = spec.role(role)
    fitting = list(groups.items())
    if len(fitting) > 1 and wanted.fits is not None:
        own = [item for item in fitting if wanted.fits(_shapes(item[1]))]
        fitting = own or fitting
    if len(fitting) > 1:
        raise BadInputError(
            f"There is more than one {wanted.title}: in {' and in '.join(str(group[0]) for group, _ in fitting)}.",
            "Name the folders or files to use one by one.",
        )
    return fitting[0]


def _shapes(files: Sequence[TensorFile]) -> Shapes:
    return {name: shape for file in files for name, shape in file.shapes.items()}


def _is_text_tokenizer(path: Path) -> bool:
    # Wan's repository also has the tokenizer of CLIP's text half, which nothing uses.
    return "xlm" not in path.parent.name.lower()


def _config_beside(folder: Path, section: str) -> dict[str, Any]:
    """What a config.json in the folder says of a part: flat, as Wan's and diffusers', or by part."""
    config: Any = None
    with suppress(OSError, ValueError):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        return {}
    inner = config.get(section)
    return inner if isinstance(inner, dict) else config
