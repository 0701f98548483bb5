# SPDX-License-Identifier: Apache-2.0
"""OpenColorIO configurations: built in, a file, or what $OCIO names; spaces by name, alias, interop ID or role."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.colour.gamuts import REC709, Matrix
from ex4d.protocol.errors import BadInputError

#: Pinned: names of spaces differ between versions.
BUILT_IN = "studio-config-v4.0.0_aces-v2.0_ocio-v2.5"
_BUILT_IN_PREFIX = "ocio://"
_BUILT_IN_SCHEME = "ocio:/"
_NEAREST = 5


def ocio() -> Any:
    """The module PyOpenColorIO, imported when it is first needed; it says nothing on standard error."""
    import PyOpenColorIO

    PyOpenColorIO.SetLoggingLevel(PyOpenColorIO.LOGGING_LEVEL_NONE)
    return PyOpenColorIO


def ocio_errors() -> tuple[type[Exception], ...]:
    """What OpenColorIO raises."""
    module = ocio()
    return module.Exception, module.ExceptionMissingFile


@dataclass(frozen=True)
class Configuration:
    """A configuration that has been read.

    Attributes:
        name: of a built-in one, or a file's own name.
        file: absolute path; None = built in.
        content_hash: of the file and the tables it refers to; "" for a built-in one.
        config: the ``PyOpenColorIO.Config``.
    """

    name: str
    file: str | None
    content_hash: str
    config: Any = field(compare=False, repr=False)

    def find(self, name: str) -> str | None:
        """The space's own name, by name, alias, interop ID or role, whatever the case; None = not there."""
        space = self.config.getColorSpace(name) if name else None
        if space is None:
            wanted = name.lower()
            for candidate in self.spaces():
                if wanted in {text.lower() for text in _names(candidate)}:
                    return str(candidate.getName())
            return None
        return str(space.getName())

    def find_first(self, *names: str) -> str | None:
        """That of the first name which is there."""
        return next((found for name in names if (found := self.find(name)) is not None), None)

    def require(self, name: str) -> str:
        """As ``find``.

        Raises:
            BadInputError: it is not there; names the nearest ones.
        """
        if (found := self.find(name)) is not None:
            return found
        near = ", ".join(f"«{text}»" for text in self.nearest(name))
        raise BadInputError(
            f"The configuration {self.name} has no colour space «{name}».",
            f"The nearest are {near}; `ex4d colour-spaces` lists all of them.",
        )

    def names_of(self, name: str) -> tuple[str, ...]:
        """Name, aliases and interop ID of a space that is there."""
        return _names(self.config.getColorSpace(name))

    def encoding(self, name: str) -> str:
        """What its values are, as it says: "scene-linear", "log", "sdr-video", "data" …, "" = nothing."""
        space = self.config.getColorSpace(name)
        return "data" if space.isData() else str(space.getEncoding())

    def is_linear(self, name: str) -> bool:
        """Whether it is linear in scene light."""
        if self.encoding(name) == "scene-linear":
            return True
        if self.encoding(name):
            return False
        return bool(self.config.isColorSpaceLinear(name, ocio().REFERENCE_SPACE_SCENE))

    def spaces(self) -> Iterator[Any]:
        """Its active spaces, as OpenColorIO has them."""
        return iter(self.config.getColorSpaces())

    def names(self) -> list[str]:
        """Of its active spaces."""
        return [str(space.getName()) for space in self.spaces()]

    def linear_names(self) -> list[str]:
        """Of the scene-linear ones."""
        return [name for name in self.names() if self.encoding(name) != "data" and self.is_linear(name)]

    def log_names(self) -> list[str]:
        """Of those that say they are logarithmic."""
        return [name for name in self.names() if self.encoding(name) == "log"]

    def nearest(self, name: str) -> list[str]:
        """Those that are most like it: as a whole, or in their beginning."""
        wanted = name.lower()

        def likeness(text: str) -> float:
            ratios = (difflib.SequenceMatcher(None, wanted, part).ratio() for part in (text, text[: len(wanted)]))
            return max(ratios) + (wanted in text)

        scores = {
            str(space.getName()): max(likeness(text.lower()) for text in _names(space)) for space in self.spaces()
        }
        return sorted(scores, key=lambda space: -scores[space])[:_NEAREST]

    def processor(self, source: str, target: str, *, exact: bool = True) -> Any:
        """A CPU processor for float32 pixels between two of its spaces.

        Args:
            exact: leave out approximations that are faster.

        Raises:
            BadInputError: the configuration cannot do it, as when a table is missing.
        """
        module = ocio()
        try:
            return _cpu(self.config.getProcessor(source, target), module, exact=exact)
        except ocio_errors() as error:
            reason = " ".join(str(error).split()).removesuffix(".")
            raise BadInputError(
                f"The configuration {self.name} cannot go from «{source}» to «{target}»: {reason}.",
                "Repair it, or choose another colour space.",
            ) from error

    def to_rec709(self, linear_space: str) -> Matrix | None:
        """Matrix (3, 3) from a scene-linear space to linear Rec.709; None = the configuration gives no way."""
        module = ocio()
        target = self.find_first(*REC709.all_names)
        try:
            if target is not None:
                processor = self.config.getProcessor(linear_space, target)
            else:
                processor = module.Config.GetProcessorFromConfigs(
                    self.config, linear_space, open_configuration(None, {}).config, REC709.interop_id
                )
            cpu = _cpu(processor, module, exact=True)
        except ocio_errors():
            return None
        basis = np.eye(3, dtype=np.float32)
        cpu.applyRGB(basis)
        matrix = basis.astype(np.float64).T
        return matrix if np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-6 else None


def _names(space: Any) -> tuple[str, ...]:
    interop_id = space.getInteropID() if hasattr(space, "getInteropID") else ""
    return tuple(str(text) for text in (space.getName(), *space.getAliases(), interop_id) if text)


def _cpu(processor: Any, module: Any, *, exact: bool) -> Any:
    flags = module.OPTIMIZATION_LOSSLESS if exact else module.OPTIMIZATION_DEFAULT
    return processor.getOptimizedCPUProcessor(module.BIT_DEPTH_F32, module.BIT_DEPTH_F32, flags)


def open_configuration(path: Path | str | None, environ: Mapping[str, str]) -> Configuration:
    """The configuration that is asked for, or that $OCIO names, or the built-in one.

    Args:
        path: of a file, or ``ocio://NAME``; None = as the environment says.
        environ: for $OCIO.

    Raises:
        BadInputError: the file is missing or broken.
    """
    named = str(path) if path is not None else environ.get("OCIO", "")
    said_by = "--ocio" if path is not None else "$OCIO"
    if not named:
        return _built_in(BUILT_IN)
    if named.startswith(_BUILT_IN_SCHEME):  # of whose two slashes a Path keeps one
        named = _BUILT_IN_PREFIX + named.removeprefix(_BUILT_IN_SCHEME).lstrip("/")
        name = str(ocio().ResolveConfigPath(named)).removeprefix(_BUILT_IN_PREFIX)
        try:
            return _built_in(name)
        except ocio_errors() as error:
            raise BadInputError(
                f"OpenColorIO has no built-in configuration «{name}», which {said_by} names.",
                f"Name a file, or {_BUILT_IN_PREFIX}{BUILT_IN}.",
            ) from error
    file = Path(named).expanduser().absolute()
    try:
        stat = file.stat()
    except OSError as error:
        raise BadInputError(
            f"The colour configuration {file} cannot be read: {error.strerror}.",
            f"Correct {said_by}, or {_without(said_by)} for the built-in configuration.",
        ) from error
    return _from_file(str(file), stat.st_mtime_ns, stat.st_size, said_by)


def _without(said_by: str) -> str:
    return f"unset {said_by}" if said_by.startswith("$") else f"leave {said_by} out"


@lru_cache(maxsize=4)
def _built_in(name: str) -> Configuration:
    return Configuration(name, None, "", ocio().Config.CreateFromBuiltinConfig(name))


@lru_cache(maxsize=4)
def _from_file(file: str, _modified: int, _size: int, said_by: str) -> Configuration:
    module = ocio()
    broken: tuple[type[Exception], ...] = (*ocio_errors(), UnicodeDecodeError, OSError)
    try:
        config = module.Config.CreateFromFile(file)
        content_hash = _content_hash(config, Path(file), module)
    except broken as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise BadInputError(
            f"The colour configuration {file} is broken: {reason}.",
            f"Repair it, or {_without(said_by)} for the built-in configuration.",
        ) from error
    return Configuration(Path(file).name, file, content_hash, config)


def _content_hash(config: Any, file: Path, module: Any) -> str:
    """Of the configuration and of all files that its transforms name and that are there."""
    digest = hashlib.sha256(file.read_bytes())
    context = config.getCurrentContext()
    sources = sorted(set(_file_sources(config, module)))
    for source in sources:
        digest.update(source.encode())
        try:
            located = Path(context.resolveFileLocation(source))
        except ocio_errors():
            continue  # OpenColorIO says so when the space is used
        if located.is_file():
            digest.update(hashlib.sha256(located.read_bytes()).digest())
    return digest.hexdigest()


def _file_sources(config: Any, module: Any) -> Iterator[str]:
    spaces = config.getColorSpaces(module.SEARCH_REFERENCE_SPACE_ALL, module.COLORSPACE_ALL)
    directions = (module.COLORSPACE_DIR_TO_REFERENCE, module.COLORSPACE_DIR_FROM_REFERENCE)
    for space in spaces:
        for direction in directions:
            yield from _sources_in(space.getTransform(direction))
    for look in config.getLooks():
        yield from _sources_in(look.getTransform())
        yield from _sources_in(look.getInverseTransform())
    views = (module.VIEWTRANSFORM_DIR_TO_REFERENCE, module.VIEWTRANSFORM_DIR_FROM_REFERENCE)
    for view in config.getViewTransforms():
        for direction in views:
            yield from _sources_in(view.getTransform(direction))


def _sources_in(transform: Any) -> Iterator[str]:
    if transform is None:
        return
    if hasattr(transform, "getSrc") and hasattr(transform, "getInterpolation"):
        yield str(transform.getSrc())
    elif hasattr(transform, "__iter__"):
        for part in transform:
            yield from _sources_in(part)


def apply(processor: Any, values: NDArray[np.floating]) -> NDArray[np.float32]:
    """A new float32 array of the same shape (..., 3) through a CPU processor; other threads go on meanwhile."""
    result = np.array(values, np.float32, order="C")
    if result.size:
        processor.applyRGB(result.reshape(-1, 3))
    return result
