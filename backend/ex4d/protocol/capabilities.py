# SPDX-License-Identifier: Apache-2.0
"""What a backend says of itself: what it is, and what it offers: generators with their options, depth estimators,
rasterizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: The value of an option, as it travels.
OptionValue: TypeAlias = str | int | float | bool | None
OptionKind: TypeAlias = Literal["integer", "number", "text", "choice", "flag", "size", "file"]


@dataclass(frozen=True)
class OptionInfo:
    """One option of a generator.

    Attributes:
        name: as a request has it; the command line's is the same with hyphens.
        label: for a panel, in a few words.
        kind: "integer", "number", "text", "choice", "flag", "size" (a text such as "832x480"), "file" (a path).
        default: None = the generator decides.
        minimum, maximum: of numbers, both included; None = no bound.
        choices: of a choice.
        help: one sentence.
    """

    name: str
    label: str
    kind: OptionKind
    default: OptionValue = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True)
class GeneratorInfo:
    """One way to fill, a profile of a generator.

    Attributes:
        name: as the command line and requests have it.
        label: what it is, in a few words.
        licence: SPDX name or a sentence, of code and weights.
        generative: whether a generative model draws.
        options: what can be chosen.
    """

    name: str
    label: str
    licence: str
    generative: bool
    options: tuple[OptionInfo, ...] = ()


@dataclass(frozen=True)
class EstimatorInfo:
    """One way to get depth that works here.

    Attributes:
        name: as the command line and requests have it.
        label: how good it is, in a few words.
        licence: SPDX name or a sentence, of code and weights.
    """

    name: str
    label: str
    licence: str


@dataclass(frozen=True)
class RasterizerInfo:
    """One rasterizer that works here; of nvdiffrast, that is installed here.

    Attributes:
        name: as the command line and requests have it.
        licence: SPDX name or a sentence.
    """

    name: str
    licence: str


@dataclass(frozen=True)
class Capabilities:
    """All of it; the first of each is the backend's default."""

    generators: tuple[GeneratorInfo, ...]
    estimators: tuple[EstimatorInfo, ...]
    rasterizers: tuple[RasterizerInfo, ...] = ()


@dataclass(frozen=True)
class Ready:
    """What a worker says to its front when it can work.

    Attributes:
        pid: its process.
        device: that draws, or why there is none; "" = it has not looked.
        python: version.
        memory_gib: of the machine, None where unknown.
        gpus: each with its memory.
        capabilities: what it offers; None = it has not looked.
    """

    pid: int
    device: str = ""
    python: str = ""
    memory_gib: float | None = None
    gpus: tuple[str, ...] = ()
    capabilities: Capabilities | None = None


@dataclass(frozen=True)
class Held:
    """What a worker says to its front when what it keeps between jobs has changed.

    Attributes:
        models: keys of the models that it holds, as the front names them.
        let_go: it was asked to free its memory, and has.
    """

    models: tuple[str, ...] = ()
    let_go: bool = False


@dataclass(frozen=True)
class WorkerInfo:
    """One of the processes that do jobs side by side.

    Attributes:
        number: that ``JobSnapshot.worker`` calls it by.
        gpu: number of its GPU, None where it has none of its own.
        name: of that GPU, with its memory; "" = none.
        ready: whether it can take a job, or does one.
    """

    number: int
    gpu: int | None = None
    name: str = ""
    ready: bool = False


@dataclass(frozen=True)
class Welcome:
    """What a backend says to a client, and once more when its worker is warm.

    Attributes:
        protocol: such as "ex4d/2".
        version: of ex4d.
        pid: of the front.
        ready: whether a worker is.
        runtime, log: folder of the backend, and its log there.
        device, memory_gib, gpus, capabilities: as the worker has said when it was ready last, see ``Ready``.
        workers: those that do jobs side by side; () = there is but one.
    """

    protocol: str
    version: str
    pid: int
    ready: bool
    runtime: str = ""
    log: str = ""
    device: str = ""
    memory_gib: float | None = None
    gpus: tuple[str, ...] = ()
    capabilities: Capabilities | None = None
    workers: tuple[WorkerInfo, ...] = ()
