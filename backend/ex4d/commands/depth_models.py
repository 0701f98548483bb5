# SPDX-License-Identifier: Apache-2.0
"""The weights of depth estimators: models download | verify | list --depth NAME."""

from __future__ import annotations

from pathlib import Path

from ex4d.commands.console import Console
from ex4d.commands.downloads import report_downloads
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS, EstimatorSpec
from ex4d.depth.learned.files import download_folder, find_weights, source_of
from ex4d.models.downloads import PLAN, download
from ex4d.models.hub import Record, Source, wrong_files
from ex4d.protocol.errors import BadInputError, UsageError


def execute(action: str, name: str, named: list[Path], console: Console) -> None:
    """Run an action of `models` for a depth estimator.

    Args:
        action: "download", "verify" or "list".
        name: of the estimator.
        named: folders with models; for download, the one to put them into.

    Raises:
        UsageError: there is no such estimator, or the action is another.
    """
    spec = ESTIMATOR_SPECS.get(name)
    if spec is None:
        raise UsageError(f"There is no estimator «{name}» with weights.", f"Use one of {', '.join(ESTIMATOR_SPECS)}.")
    match action:
        case "download":
            _download(spec, named, console)
        case "verify":
            _verify(spec, named, console)
        case "list":
            _list(spec, named, console)
        case "pin":
            raise UsageError("All models are pinned at once.", "Leave --depth out.")
        case _:
            raise UsageError("The weights of depth estimators are used as they are.", "Leave --depth out.")


def sources() -> list[Source]:
    """What is downloaded of all estimators' repositories."""
    return [source_of(weights) for spec in ESTIMATOR_SPECS.values() for weights in spec.weights]


def _download(spec: EstimatorSpec, named: list[Path], console: Console) -> None:
    if len(named) > 1:
        raise UsageError("The weights are downloaded into one folder.", "Name one, or none for the user's own.")
    spec.require_packages()
    root = download_folder(named[0] if named else None)
    if not spec.commercial:
        console.note(f"These weights are not for commercial use. {spec.licence}.")
    console.expect(PLAN)
    records = download([(source_of(weights), root / weights.folder) for weights in spec.weights], console)
    find_weights(spec, [root.parent])
    report_downloads(root, records, console)


def _verify(spec: EstimatorSpec, named: list[Path], console: Console) -> None:
    spec.require_packages()
    folders = find_weights(spec, named)
    recorded = [(folder, record) for folder in folders if (record := Record.read(folder)) is not None]
    if wrong := wrong_files(recorded, console):
        raise BadInputError(
            " ".join(wrong), f"Delete the file and run `ex4d models download --depth {spec.name}` again."
        )
    if len(recorded) < len(folders):
        console.note("Some files have no record of a download, so they are there, and no checksums were compared.")
    console.result(
        {"folders": [str(folder) for folder in folders], "checksums": sum(len(r.sha256) for _, r in recorded)},
        f"The weights of {spec.title} are there.",
    )


def _list(spec: EstimatorSpec, named: list[Path], console: Console) -> None:
    spec.require_packages()
    folders = find_weights(spec, named)
    found, lines = [], []
    for weights, folder in zip(spec.weights, folders, strict=True):
        size = sum((folder / name).stat().st_size for name in weights.files) / 1e9
        record = Record.read(folder)
        said = f"; its page: {record.licence}" if record else ""
        found.append(
            {
                "repository": weights.repository,
                "folder": str(folder),
                "gigabytes": round(size, 3),
                "licence": weights.licence,
            }
        )
        lines.append(f"{weights.what:<32}{size:>8.2f} GB  {folder}  licence: {weights.licence}{said}")
    console.result({"weights": found, "commercial": spec.commercial}, "\n".join(lines))
