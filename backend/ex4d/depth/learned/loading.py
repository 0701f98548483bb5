# SPDX-License-Identifier: Apache-2.0
"""Loading transformers' models from a folder, never from the network, and only whole."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import BadInputError, Ex4dError


def _damaged(what: str, reason: str) -> BadInputError:
    return BadInputError(
        f"{what} cannot be loaded: {reason.rstrip('.')}.",
        "Get its files again; `ex4d models verify --depth` checks them.",
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turns whatever the libraries raise over a damaged file into a BadInputError."""
    try:
        yield
    except Ex4dError:
        raise
    except (pickle.UnpicklingError, OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(what, " ".join(str(error).split())[:200]) from error
    except Exception as error:
        # safetensors' and huggingface_hub's classes of their own, which change from version to version.
        if type(error).__module__.partition(".")[0] not in {"safetensors", "safetensors_rust", "huggingface_hub"}:
            raise
        raise _damaged(what, " ".join(str(error).split())[:200]) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and warnings: what they say is checked and said in our words."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_transformers(
    kind: Any,
    folder: Path | None,
    what: str,
    *,
    config: Any = None,
    tensors: Mapping[str, Any] | None = None,
    variant: str | None = None,
) -> Any:
    """A model with all its tensors, on the CPU in float32, ready to run.

    Args:
        kind: transformers' class of the model.
        folder: with config.json and safetensors; None where ``config`` and ``tensors`` are given.
        what: for messages.
        config: transformers' configuration.
        variant: of the file, as in its name: "fp16".
        tensors: by the names of files on the hub; the library renames them for its version.

    Raises:
        BadInputError: the files are damaged, or tensors are missing or have another shape.
    """
    import torch

    options: dict[str, Any] = {"dtype": torch.float32, "local_files_only": True, "output_loading_info": True}
    if folder is None:
        options |= {"config": config, "state_dict": dict(tensors or {})}
    else:
        options |= {"use_safetensors": True, "variant": variant}
    with reading(what), quiet():
        model, info = kind.from_pretrained(folder, **options)
    check_tensors(what, missing=info["missing_keys"], wrong=[entry[0] for entry in info["mismatched_keys"]])
    return model.eval()


def check_tensors(what: str, *, missing: Any, wrong: Any) -> None:
    """Raise BadInputError where tensors are missing or have a wrong shape.

    Args:
        missing, wrong: their names.
    """
    for names, problem in ((sorted(missing), "lacks the tensor"), (sorted(wrong), "has another shape of the tensor")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise BadInputError(
                f"The file of {what} {problem} «{names[0]}»{more}.",
                "It belongs to another model or version; `ex4d models download --depth` gets the right one.",
            )
