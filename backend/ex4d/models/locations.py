# SPDX-License-Identifier: Apache-2.0
"""Where the model's files are, and which; known without torch."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ex4d.protocol.errors import BadInputError, TransientError

#: Folders with models, separated as PATH is.
MODELS_VARIABLE = "EX4D_MODELS"
#: Folder among the models that holds the weights of depth estimators, one folder per repository. They are no part of
#: the fill's model, and another depth model must not make its takes new ones.
DEPTH_FOLDER = "depth"
#: Files that may hold tensors, and those that a tokenizer is read from.
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
#: What peft writes beside a LoRA's weights.
LORA_CONFIG = "adapter_config.json"
#: Folders below the named one that are looked into.
_DEPTH = 4
#: A file is told by its size and this much of its beginning and end.
_SAMPLE_BYTES = 1 << 20


def user_folder(kind: str) -> Path:
    """The user's folder for "data" or "cache" of this program, by the habits of the system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        return base / "ex4d" / kind
    if sys.platform == "darwin":
        return Path.home() / "Library" / ("Caches" if kind == "cache" else "Application Support") / "ex4d"
    variable, default = {"data": ("XDG_DATA_HOME", ".local/share"), "cache": ("XDG_CACHE_HOME", ".cache")}[kind]
    return Path(os.environ.get(variable) or Path.home() / default) / "ex4d"


def default_models_folder() -> Path:
    """Where `ex4d models download` puts the model."""
    return user_folder("data") / "models"


def model_places(named: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The folders or files to look into: those named, else those of ``EX4D_MODELS``, else the default."""
    if named:
        return tuple(named)
    listed = [Path(part) for part in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if part]
    return tuple(listed) or (default_models_folder(),)


def candidate_files(places: Sequence[Path]) -> list[Path]:
    """Files that may belong to a model, in order of their paths.

    Raises:
        BadInputError: a place does not exist.
        TransientError: a folder cannot be read.
    """
    return list(dict.fromkeys(path for place in places for path in _files(place)))


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise BadInputError(
            f"There is no model folder {place}.",
            "`ex4d models download` gets the model; --models names another folder.",
        )
    found, folders = [], [(place, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            raise TransientError(
                f"{folder} cannot be read: {error.strerror or error}.", "Check its permissions."
            ) from error
        for path in entries:
            if path.name.startswith(".") or (folder == place and path.name == DEPTH_FOLDER):
                continue
            if path.is_dir() and depth < _DEPTH:
                folders.append((path, depth + 1))
            elif path.suffix.lower() in SUFFIXES or path.name in TOKENIZER_FILES:
                found.append(path)
    return sorted(found)


def fingerprint(path: Path) -> str:
    """A hash of a file's size, beginning and end: quick, and another one for another file in practice. Checksums of
    whole files are `ex4d models verify`'s."""
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, size - _SAMPLE_BYTES))
            digest.update(file.read(_SAMPLE_BYTES))
    except OSError as error:
        raise TransientError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    return digest.hexdigest()


def lora_config(path: Path) -> Path | None:
    """peft's description of a LoRA's weights: beside peft's own file name, or beside the only weights there."""
    config = path.with_name(LORA_CONFIG)
    if not config.is_file():
        return None
    alone = sum(other.suffix == path.suffix for other in path.parent.iterdir()) == 1
    return config if path.stem == "adapter_model" or alone else None


def lora_fingerprint(path: Path) -> str:
    """The same of a LoRA's file, and of the description beside it."""
    config = lora_config(path)
    return fingerprint(path) + (f"-{fingerprint(config)}" if config else "")


def models_fingerprint(places: Sequence[Path]) -> str:
    """A hash of all files of weights in the places."""
    return files_fingerprint([path for path in candidate_files(places) if path.suffix.lower() in SUFFIXES])


def files_fingerprint(files: Iterable[Path]) -> str:
    """A hash of files, wherever they lie and whatever they are called."""
    return hashlib.sha256("".join(sorted(fingerprint(path) for path in files)).encode()).hexdigest()[:32]
