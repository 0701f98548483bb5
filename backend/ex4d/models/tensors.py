# SPDX-License-Identifier: Apache-2.0
"""Reading tensors from files without running anything that a file may hold."""

from __future__ import annotations

import json
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ex4d.models.tensor_reader import TensorSource, damaged, read_ahead, read_now, source_in_file, source_in_memory
from ex4d.protocol.errors import BadInputError, TransientError

#: torch.save files may wrap the tensors in one of these.
_WRAPPERS = ("model_state", "state_dict", "model", "module")
_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "base_model.model.", "module.")
#: What safetensors calls the types of its tensors.
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def all_finite(tensor: torch.Tensor) -> bool:
    """Whether a tensor of any shape and dtype, also of 8 bits, holds neither NaN nor infinity."""
    if tensor.dtype == torch.float8_e4m3fn:
        # torch cannot tell of this one. It has no infinity, and NaN is all ones but for the sign.
        return not bool((tensor.view(torch.uint8) & 0x7F == 0x7F).any())
    if tensor.dtype == torch.float8_e5m2:
        tensor = tensor.half()
    return bool(torch.isfinite(tensor).all())


@dataclass(frozen=True)
class TensorFile:
    """One file of named tensors, opened; safetensors are read when asked for, others are mapped into memory.

    Attributes:
        path: of the file.
        shapes: by name, without the wrappers that training tools put before it; safetensors in the file's own order.
        dtypes: by name; without those of types that no model has.
        metadata: texts by name, which safetensors may have.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, torch.dtype]
    _source: Callable[[str], TensorSource]
    _names: Mapping[str, str]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Open a file, whatever its name says.

        Raises:
            BadInputError: it holds no tensors, is truncated, or would run code.
            TransientError: it cannot be read.
        """
        try:
            with path.open("rb") as file:
                head = file.read(16)
        except OSError as error:
            raise TransientError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
        # safetensors: a length of 8 bytes, then JSON. torch.save: a zip, or in old versions a bare pickle.
        if head[8:9] == b"{":
            return _open_safetensors(path)
        return _open_torch(path)

    def source(self, name: str) -> TensorSource:
        """Where a tensor is.

        Raises:
            BadInputError: the file is damaged there, or the tensor's type is none that the model is made of.
        """
        try:
            return self._source(self._names[name])
        except (RuntimeError, OSError, ValueError) as error:
            raise damaged(self.path, error) from error

    def read(self, name: str) -> torch.Tensor:
        """A tensor, on the CPU, in memory of its own; raises BadInputError as ``source``."""
        return read_now(self.source(name))


def _stripped(names: list[str]) -> dict[str, str]:
    """Names without a common prefix of ``_PREFIXES`` → names in the file."""
    prefix = next((prefix for prefix in _PREFIXES if names and all(name.startswith(prefix) for name in names)), "")
    return {name.removeprefix(prefix): name for name in names}


def _open_safetensors(path: Path) -> TensorFile:
    try:
        # Checks the whole header against the file's size.
        with safe_open(str(path), framework="pt"):
            pass
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        raise damaged(path, error) from error
    metadata = header.pop("__metadata__", None) or {}
    names = _stripped(sorted(header, key=lambda raw: header[raw]["data_offsets"]))
    shapes = {name: tuple(header[raw]["shape"]) for name, raw in names.items()}
    types = {name: header[raw]["dtype"] for name, raw in names.items()}
    dtypes = {name: _DTYPES[of] for name, of in types.items() if of in _DTYPES}

    def source(raw: str) -> TensorSource:
        entry = header[raw]
        if entry["dtype"] not in _DTYPES:
            raise BadInputError(
                f"{path.name} holds «{raw}» as {entry['dtype']}, which cannot be read.",
                "Get the model in 16 or 32 bits.",
            )
        begin = 8 + length + entry["data_offsets"][0]
        return source_in_file(path, begin, _DTYPES[entry["dtype"]], tuple(entry["shape"]))

    return TensorFile(path, shapes, dtypes, source, names, metadata)


def _open_torch(path: Path) -> TensorFile:
    mapped = zipfile.is_zipfile(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise BadInputError(
                f"{path.name} holds more than tensors, and loading it could run code.",
                "Get the model from its authors' page, or convert it to safetensors where you trust it.",
            ) from error
        raise damaged(path, error) from error
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise damaged(path, error) from error
    while isinstance(loaded, dict) and (inner := next((loaded[key] for key in _WRAPPERS if key in loaded), None)):
        if not isinstance(inner, dict):
            break
        loaded = inner
    if not isinstance(loaded, dict):
        raise BadInputError(f"{path.name} holds no named tensors.", "Name a file of model weights.")
    tensors = {str(name): value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BadInputError(f"{path.name} holds no named tensors.", "Name a file of model weights.")
    names = _stripped(list(tensors))
    shapes = {name: tuple(tensors[raw].shape) for name, raw in names.items()}
    dtypes = {name: tensors[raw].dtype for name, raw in names.items()}
    return TensorFile(path, shapes, dtypes, lambda raw: source_in_memory(tensors[raw]), names)


@dataclass(frozen=True)
class TensorSet:
    """The tensors of one model, from one file or from several shards.

    Attributes:
        files: in order.
    """

    files: tuple[TensorFile, ...]

    @classmethod
    def of(cls, files: list[TensorFile]) -> TensorSet:
        """Raises BadInputError where two files hold a tensor of the same name."""
        seen: dict[str, Path] = {}
        for file in files:
            for name in file.shapes:
                if name in seen:
                    raise BadInputError(
                        f"Both {seen[name].name} and {file.path.name} hold the tensor «{name}».",
                        "Keep one of the two in the folder.",
                    )
                seen[name] = file.path
        return cls(tuple(files))

    @property
    def name(self) -> str:
        """For messages."""
        first = self.files[0].path.name
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """All shapes by name."""
        return {name: shape for file in self.files for name, shape in file.shapes.items()}

    @cached_property
    def dtypes(self) -> dict[str, torch.dtype]:
        """All dtypes by name; see ``TensorFile``."""
        return {name: dtype for file in self.files for name, dtype in file.dtypes.items()}

    def tensors(self, *, lock: bool = False) -> Generator[tuple[str, torch.Tensor], None, None]:
        """All tensors, file by file, each in memory of its own, read a little before its turn comes.

        Args:
            lock: see ``read_ahead``.

        Raises:
            BadInputError: a file is damaged.
        """
        return read_ahead(((name, file.source(name)) for file in self.files for name in file.shapes), lock=lock)


_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.safetensors$")


def check_shards(files: list[Path]) -> None:
    """Raise BadInputError where a numbered shard is missing."""
    by_set: dict[tuple[Path, str], dict[int, int]] = {}
    for path in files:
        if match := _SHARD.search(path.name):
            key = (path.parent, path.name[: match.start()])
            by_set.setdefault(key, {})[int(match[1])] = int(match[2])
    for (folder, name), found in by_set.items():
        count = max(found.values())
        missing = [number for number in range(1, count + 1) if number not in found]
        if missing:
            raise BadInputError(
                f"{folder} lacks {name}-{missing[0]:05}-of-{count:05}.safetensors"
                + (f" and {len(missing) - 1} more shards." if len(missing) > 1 else "."),
                "Get the missing files; `ex4d models download` goes on where it stopped.",
            )
