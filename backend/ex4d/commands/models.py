# SPDX-License-Identifier: Apache-2.0
"""Get, check, list, convert and pin the EX-4D model: models download | verify | list | convert | pin.

Without an action it tells of all models that can be downloaded: size, licence, commercial use, memory, what is here.
The model is Wan 2.1 image-to-video 14B with the EX-4D adapter, about 80 GB to download. HF_ENDPOINT names a mirror of
the hub, HF_HUB_OFFLINE=1 forbids the network. Files that were got in another way work as well: name their folder.
With --depth the same is done for a depth estimator: models download --depth video_depth_anything
pin is for the makers of a release: it takes down the hub's present revision and checksums of all models, by which every
later download is checked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ex4d.commands import depth_models
from ex4d.commands.console import Console
from ex4d.commands.downloads import report_downloads
from ex4d.commands.model_table import model_infos, table
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.fill.arguments import add_models_option
from ex4d.models.locations import default_models_folder, model_places
from ex4d.models.packages import require_packages
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.results import ModelsResult, result_record

ACTIONS = ("download", "verify", "list", "convert", "pin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, help="without one: all models that can be downloaded")
    parser.add_argument("folders", nargs="*", type=Path, help="where the model is; for download, where to put it")
    add_models_option(parser)
    parser.add_argument("--depth", metavar="NAME", help=f"an estimator's weights instead: {', '.join(ESTIMATOR_SPECS)}")
    parser.add_argument("--to", type=Path, help="convert: the folder to write; pin: the table (default the package's)")
    parser.add_argument(
        "--dtype",
        choices=["bfloat16", "float32", "float8"],
        default="bfloat16",
        help="convert: of the weights (default bfloat16); float8: half the size, for the fills fast and turbo alone",
    )


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    if args.action is None:
        _tell_of_all(args, console)
        return
    if args.depth is not None:
        depth_models.execute(args.action, args.depth, [*args.folders, *(args.models or ())], console)
        return
    require_packages()
    if args.action not in ("convert", "pin") and args.to is not None:
        raise UsageError("Only convert and pin take --to.", "For download, name the folder: models download FOLDER.")
    named = [*args.folders, *(args.models or ())]
    match args.action:
        case "download":
            _download(named, console)
        case "verify":
            _verify(list(model_places(named)), console)
        case "list":
            _list(list(model_places(named)), console)
        case "pin":
            _pin(named, args.to, console)
        case _:
            _convert(list(model_places(named)), args.to, args.dtype, console)


def _tell_of_all(args: argparse.Namespace, console: Console) -> None:
    if args.depth is not None or args.to is not None or args.models:
        raise UsageError("No action is named.", f"Use one of {', '.join(ACTIONS)}.")
    infos = model_infos()
    console.result(result_record(ModelsResult(tuple(infos.values()))), table(infos))


def _download(named: list[Path], console: Console) -> None:
    from ex4d.fill.ex4d_wan.file_kinds import SOURCES
    from ex4d.fill.ex4d_wan.model_files import find_models
    from ex4d.models.downloads import PLAN, download

    if len(named) > 1:
        raise UsageError("The model is downloaded into one folder.", "Name one, or none for the user's own.")
    root = named[0] if named else default_models_folder()
    console.expect(PLAN)
    records = download([(source, root / source.folder) for source in SOURCES], console)
    find_models([root])
    report_downloads(root, records, console)


def _verify(places: list[Path], console: Console) -> None:
    from ex4d.fill.ex4d_wan.model_files import find_models
    from ex4d.fill.ex4d_wan.weights import check_parts
    from ex4d.models.hub import recorded_folders, wrong_files

    models = find_models(places)
    check_parts(models)
    folders = recorded_folders(places)
    if wrong := wrong_files(folders, console):
        raise BadInputError(" ".join(wrong), "Delete the file and run `ex4d models download` again.")
    if not folders:
        console.note("These files have no record of a download, so names and shapes were checked, no checksums.")
    parts = {role: part.label for role, part in models.parts.items()}
    console.result(
        {"parts": parts, "checksums": sum(len(record.sha256) for _, record in folders)},
        f"The model is whole: {', '.join(parts.values())}.",
    )


def _list(places: list[Path], console: Console) -> None:
    from ex4d.fill.ex4d_wan.model_files import find_models, missing_roles
    from ex4d.models.hub import recorded_folders

    models = find_models(places)
    lines, found = [], []
    for role, part in models.parts.items():
        size = sum(file.path.stat().st_size for file in part.tensors.files) / 1e9
        found.append(
            {
                "role": role,
                "kind": part.label,
                "files": [str(file.path) for file in part.tensors.files],
                "tensors": len(part.tensors.shapes),
                "gigabytes": round(size, 3),
            }
        )
        where = part.folder if len(part.tensors.files) > 1 else part.tensors.files[0].path
        lines.append(f"{part.label:<24}{len(part.tensors.shapes):>6} tensors {size:>8.2f} GB  {where}")
    for name in missing_roles(models):
        lines.append(f"{name:<24}missing")
    licences = {record.repository: record.licence for _, record in recorded_folders(places)}
    lines += [f"licence of {name}: {licence}" for name, licence in licences.items()]
    console.result(
        {"parts": found, "missing": missing_roles(models), "licences": licences}, "\n".join(lines) or "nothing found"
    )


def _pin(named: list[Path], target: Path | None, console: Console) -> None:
    from ex4d.fill.registry import specs
    from ex4d.models.hub import merged_sources, pin_source
    from ex4d.models.pins import PINS_FILE, write_pins

    if named:
        raise UsageError("All models are pinned at once.", "Name the table to write with --to.")
    pins = {}
    fills = [source for spec in specs() if spec.files is not None for source in spec.files.sources]
    for source in merged_sources([*fills, *depth_models.sources()]):
        pins[source.repository] = pin_source(source, console)
    path = target or PINS_FILE
    write_pins(pins, path)
    revisions = {name: pin.revision for name, pin in pins.items()}
    console.result({"table": str(path), "revisions": revisions}, f"{path}: {len(pins)} models")


def _convert(places: list[Path], target: Path | None, dtype: str, console: Console) -> None:
    if target is None:
        raise UsageError("No folder to write is named.", "Give it with --to.")
    import torch

    from ex4d.fill.ex4d_wan.convert import convert_model
    from ex4d.fill.ex4d_wan.model_files import find_models

    dtypes = {"bfloat16": torch.bfloat16, "float32": torch.float32, "float8": torch.float8_e4m3fn}
    convert_model(find_models(places), target, dtypes[dtype], console)
    use = (
        "name it as --models with --fill fast or turbo"
        if dtype == "float8"
        else "load it with EX4DPipeline.from_pretrained, or name it as --models"
    )
    console.result({"folder": str(target)}, f"{target}: {use}")
