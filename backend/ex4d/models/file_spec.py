# SPDX-License-Identifier: Apache-2.0
"""What a model's files are and how they are told: by the names of their tensors, not by their own. Known without torch;
each generator says it of its model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ex4d.models.hub import Source
from ex4d.protocol.models import Commercial, MemoryNeed

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class FileRole:
    """A part that a model is made of.

    Attributes:
        name: such as "transformer".
        title: for messages, "Wan 2.1 transformer".
        section: of a config.json that describes several parts; "" = named as the role.
        fits: whether tensors of these shapes are this model's. Asked where there are several of a role: files of other
            models may lie in the same folders. None = any.
    """

    name: str
    title: str
    section: str = ""
    fits: Callable[[Shapes], bool] | None = None


@dataclass(frozen=True)
class FileKind:
    """A layout of tensors that a role's weights come in.

    Attributes:
        label: for people, "Wan transformer".
        role: name of the role.
        sign: expression that a tensor's name of this kind matches and no other kind's does; shards hold any part of a
            model, so it matches tensors of every block. "" = told by ``made_of``.
        made_of: labels of kinds that one file holds together.
        beside: name of a file without which it is another program's, "" = none is needed.
        quantizable: whether its linear layers may be stored in 8 bits.
    """

    label: str
    role: str
    sign: str = ""
    made_of: tuple[str, ...] = ()
    beside: str = ""
    quantizable: bool = False

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class FileSpec:
    """The files of one model.

    Attributes:
        roles: its parts.
        kinds: what they may be; of signs the first match wins.
        fused: what a transformer in 8 bits has in its weights, for messages: "EX-4D's LoRA".
        quantized_use: what such a transformer is for, for messages.
        sources: the repositories that the files are got from.
        name, title, label: of the model to who downloads it: a short name, one for people, what it does in a few words.
        licence: of its weights, for people.
        commercial: whether that allows commercial use; "read" = its pages must be read.
        megabytes: of what is downloaded, about.
        memory: what it needs, see ``ModelInfo``.
    """

    roles: tuple[FileRole, ...]
    kinds: tuple[FileKind, ...]
    fused: str = ""
    quantized_use: str = ""
    sources: tuple[Source, ...] = ()
    name: str = ""
    title: str = ""
    label: str = ""
    licence: str = ""
    commercial: Commercial = "read"
    megabytes: int = 0
    memory: tuple[MemoryNeed, ...] = ()

    def role(self, name: str) -> FileRole:
        """By name; raises KeyError."""
        for role in self.roles:
            if role.name == name:
                return role
        raise KeyError(name)

    def identify(self, names: Iterable[str]) -> FileKind | None:
        """The kind of a file with tensors of these names; None = none that the model is made of."""
        signs = [(kind, re.compile(kind.sign)) for kind in self.kinds if kind.sign]
        found = {kind for name in names if (kind := next((kind for kind, sign in signs if sign.search(name)), None))}
        if len(found) == 1:
            return found.pop()
        labels = {kind.label for kind in found}
        return next((kind for kind in self.kinds if kind.made_of and set(kind.made_of) == labels), None)
