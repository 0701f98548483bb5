# SPDX-License-Identifier: Apache-2.0
"""Where the weights of learned estimators lie. Nothing here goes to the network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ex4d.depth.learned.estimator_spec import EstimatorSpec, Weights
from ex4d.models.hub import Source
from ex4d.models.locations import DEPTH_FOLDER, fingerprint, model_places
from ex4d.protocol.errors import BadInputError


def depth_folders(places: Sequence[Path] = ()) -> list[Path]:
    """Folders with one folder per repository: ``depth`` in each of the models' places, and the places themselves."""
    return [folder for place in model_places(places) for folder in (place / DEPTH_FOLDER, place)]


def download_folder(named: Path | None) -> Path:
    """Where a download puts the repositories' folders: in ``depth`` of that folder, or of the first place."""
    return (named or model_places()[0]) / DEPTH_FOLDER


def source_of(weights: Weights) -> Source:
    """What is downloaded of an estimator's repository."""
    return Source(weights.repository, (*weights.files, "LICENSE*"), weights.what)


def _cached(weights: Weights) -> Path | None:
    """The snapshot of the repository in the Hugging Face cache, None where a file is missing."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(weights.repository, name) for name in weights.files]
    if not all(isinstance(path, str) for path in found):
        return None
    return Path(str(found[0])[: -len(weights.files[0])])


def find_weights(spec: EstimatorSpec, places: Sequence[Path] = ()) -> tuple[Path, ...]:
    """The folder of each of a spec's repositories.

    Args:
        places: folders with models; () = those of ``EX4D_MODELS`` or the user's own, then the Hugging Face cache.

    Raises:
        BadInputError: files are missing.
    """
    return tuple(_find(spec, weights, places) for weights in spec.weights)


def _find(spec: EstimatorSpec, weights: Weights, places: Sequence[Path]) -> Path:
    folders = [folder / weights.folder for folder in depth_folders(places)]
    for folder in folders:
        if all((folder / name).is_file() for name in weights.files):
            return folder
    if not places and (cached := _cached(weights)) is not None:
        return cached
    begun = next((folder for folder in folders if folder.is_dir()), None)
    if begun is not None:
        missing = [name for name in weights.files if not (begun / name).is_file()]
        problem = f"{begun} lacks {', '.join(missing)}."
    else:
        problem = f"The weights of {weights.what} are not on this machine."
    raise BadInputError(
        problem,
        f"`ex4d models download --depth {spec.name}` gets them (licence: {weights.licence}); or put the files of "
        f"{weights.repository} into {folders[0]}.",
    )


def weights_fingerprint(spec: EstimatorSpec, folders: Sequence[Path]) -> str:
    """A hash that is another one for other weights."""
    parts = [
        fingerprint(folder / name)
        for weights, folder in zip(spec.weights, folders, strict=True)
        for name in weights.files
    ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:32]
