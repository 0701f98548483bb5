# SPDX-License-Identifier: Apache-2.0
"""The models that can be downloaded, and how much of each is here. Nothing in here goes to the network."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS, GPU_EXTRA, EstimatorSpec
from ex4d.depth.learned.files import download_folder, find_weights, source_of
from ex4d.fill.registry import specs
from ex4d.fill.spec import GeneratorSpec
from ex4d.models.downloads import Begun, bytes_in
from ex4d.models.hub import Record, Source
from ex4d.models.locations import default_models_folder, model_places
from ex4d.models.packages import PACKAGES
from ex4d.models.pins import pinned_files, read_pins
from ex4d.protocol.errors import Ex4dError, ResourceError, UsageError
from ex4d.protocol.models import Commercial, Extra, MemoryNeed, ModelInfo, ModelKind

_HUB_PACKAGE = "huggingface_hub"
_COMMERCIAL_FIRST: dict[Commercial, int] = {"yes": 0, "read": 1, "no": 2}


@dataclass(frozen=True)
class Downloadable:
    """A model that can be downloaded, see ``ModelInfo``.

    Attributes:
        sources: what is got, each into a folder of its own below ``root``.
        root: that.
        megabytes: of all files, about.
        packages: modules that it imports.
        usable: whether its files are here, in whatever folder.
    """

    name: str
    kind: ModelKind
    title: str
    label: str
    licence: str
    commercial: Commercial
    sources: tuple[Source, ...]
    root: Path
    megabytes: int
    gated: bool
    packages: tuple[str, ...]
    extra: Extra
    install: str
    usable: bool
    memory: tuple[MemoryNeed, ...] = ()

    @property
    def folders(self) -> list[tuple[Source, Path]]:
        """What is got, and where to."""
        return [(source, self.root / source.folder) for source in self.sources]

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.packages if find_spec(name) is None)

    def require_packages(self) -> None:
        """Raise ResourceError where it could not run once it is here."""
        if self.missing:
            raise ResourceError(
                f"{self.title} needs packages that are not installed: {', '.join(self.missing)}.",
                f"Install them with: {self.install}.",
            )

    def info(self) -> ModelInfo:
        """For who chooses; looks at the disk."""
        size, known = self._size()
        got = 0 if self.usable else sum(bytes_in(folder) for _, folder in self.folders)
        return ModelInfo(
            self.name,
            self.kind,
            self.title,
            self.label,
            self.licence,
            self.commercial,
            tuple(source.repository for source in self.sources),
            size,
            known,
            all(source.repository in read_pins() for source in self.sources),
            self.gated,
            "here" if self.usable else "begun" if got else "absent",
            got,
            self.missing,
            self.extra,
            self.install,
            str(self.root),
            self.memory,
        )

    def _size(self) -> tuple[int, bool]:
        """Bytes of all files, and whether pins or hub tell them."""
        pins, told = read_pins(), 0
        for source, folder in self.folders:
            if (pin := pins.get(source.repository)) is not None:
                told += sum(file.size for file in pinned_files(pin, source.patterns).values())
            elif (begun := Begun.read(folder)) is not None:
                told += begun.total
            elif Record.read(folder) is not None:
                told += bytes_in(folder)
            else:
                return self.megabytes * 1_000_000, False
        return told, True


def downloadables() -> list[Downloadable]:
    """All, depth first, and of each kind those for commercial work first."""
    depth = [_depth_model(spec) for spec in ESTIMATOR_SPECS.values()]
    fills = [_fill_model(spec) for spec in specs() if spec.files is not None]
    return sorted([*depth, *fills], key=lambda model: (model.kind != "depth", _COMMERCIAL_FIRST[model.commercial]))


def find_downloadable(name: str) -> Downloadable:
    """The one of that name; raises UsageError."""
    found = {model.name: model for model in downloadables()}
    if name not in found:
        raise UsageError(f"There is no model «{name}» to download.", f"Use one of: {', '.join(found)}.")
    return found[name]


def _depth_model(spec: EstimatorSpec) -> Downloadable:
    here = False
    # Without the hub's library its cache cannot be asked; what could run there is missing too.
    if find_spec(_HUB_PACKAGE) is not None:
        with suppress(Ex4dError):
            here = bool(find_weights(spec))
    return Downloadable(
        spec.name,
        "depth",
        spec.title,
        spec.label,
        spec.licence if len(spec.weights) > 1 else spec.weights[0].licence,
        "yes" if spec.commercial else "no",
        tuple(source_of(weights) for weights in spec.weights),
        download_folder(None),
        sum(weights.megabytes for weights in spec.weights),
        any(weights.gated for weights in spec.weights),
        spec.packages,
        spec.extra,
        spec.install,
        here,
    )


def _fill_model(spec: GeneratorSpec) -> Downloadable:
    files = spec.files
    assert files is not None
    place = model_places()[0]
    root = default_models_folder() if place.is_file() else place
    records = [Record.read(root / source.folder) for source in files.sources]
    return Downloadable(
        files.name,
        "fill",
        files.title,
        files.label,
        files.licence,
        files.commercial,
        files.sources,
        root,
        files.megabytes,
        False,
        (*PACKAGES, _HUB_PACKAGE),
        "gpu",
        GPU_EXTRA,
        all(records) or _works(spec),
        files.memory,
    )


def _works(spec: GeneratorSpec) -> bool:
    """Whether its files are here in another layout than a download's."""
    if any(find_spec(name) is None for name in PACKAGES):
        return False
    with suppress(Ex4dError):
        return not spec.missing_files(model_places())
    return False
