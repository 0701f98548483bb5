# SPDX-License-Identifier: Apache-2.0
"""The generators. A new one is a folder with a ``spec`` module, and a line in ``GENERATORS``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

from ex4d.fill.base import Generator
from ex4d.fill.spec import GeneratorSpec, Options
from ex4d.protocol.capabilities import GeneratorInfo, OptionInfo, OptionKind, OptionValue
from ex4d.protocol.errors import UsageError

#: Packages that have a ``spec`` module with ``SPEC``, in the order of menus.
GENERATORS: list[str] = [
    "ex4d.fill.preview",
    "ex4d.fill.ex4d_wan",
]

_TYPES: dict[OptionKind, tuple[type[OptionValue], ...]] = {
    "integer": (int,),
    "number": (int, float),
    "flag": (bool,),
}


@cache
def _spec(package: str) -> GeneratorSpec:
    spec: GeneratorSpec = import_module(f"{package}.spec").SPEC
    return spec


def specs() -> tuple[GeneratorSpec, ...]:
    """All, in the order of menus."""
    return tuple(_spec(package) for package in GENERATORS)


def generator_infos() -> tuple[GeneratorInfo, ...]:
    """The ways to fill, in the order of menus."""
    return tuple(info for spec in specs() for info in spec.infos)


def generator_names() -> list[str]:
    """What ``create_generator`` knows."""
    return [info.name for info in generator_infos()]


def all_options() -> dict[str, OptionInfo]:
    """The options of all generators by name, as a command line has them: one that several have stands once, with the
    choices of all.

    Raises:
        ValueError: two generators mean another kind of value by the same name.
    """
    found: dict[str, OptionInfo] = {}
    for info in generator_infos():
        for option in info.options:
            known = found.get(option.name, option)
            if known.kind != option.kind:
                raise ValueError(f"the option {option.name!r} of {info.name!r} is of another kind than elsewhere")
            found[option.name] = replace(known, choices=tuple(dict.fromkeys((*known.choices, *option.choices))))
    return found


def check_options(options: Options) -> None:
    """Find what no generator could use, before one is chosen.

    Raises:
        UsageError: there is no such option, or its value is of another type or out of range.
    """
    for name, value in options.items():
        errors = []
        for spec in (spec for spec in specs() if name in spec.options):
            try:
                _check(spec, {name: value})
            except UsageError as error:
                errors.append(error)
            else:
                break
        else:
            known = ", ".join(all_options())
            raise errors[0] if errors else UsageError(f"No fill has an option «{name[:40]}».", f"Use one of: {known}.")


def _check(spec: GeneratorSpec, options: Options) -> None:
    """Raise UsageError for a value of another type or out of range."""
    for name, value in options.items():
        _check_type(spec.options[name], value)
    # Before the ranges, for the words are the generator's own.
    spec.check(options)
    for name, value in options.items():
        _check_range(spec.options[name], value)


def _check_type(option: OptionInfo, value: OptionValue) -> None:
    types = _TYPES.get(option.kind, (str,))
    # True is a number to Python.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        wanted = {"integer": "a whole number", "number": "a number", "flag": "yes or no"}.get(option.kind, "a text")
        raise UsageError(f"The option «{option.name}» is not {wanted}.", f"It is {option.help or option.label}.")
    if option.kind == "choice" and value not in option.choices:
        raise UsageError(f"The option «{option.name}» is not «{value}».", f"Use one of: {', '.join(option.choices)}.")


def _check_range(option: OptionInfo, value: OptionValue) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    low, high = option.minimum, option.maximum
    # A comparison with NaN is never true.
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = [f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if bound is not None]
        raise UsageError(f"The option «{option.name}» is out of range.", f"Give {' and '.join(bounds)}.")


def create_generator(name: str, options: Options | None = None, *, models: tuple[Path, ...] = ()) -> Generator:
    """The generator of that name.

    Args:
        name: of ``generator_infos``.
        options: of its own, by name; None and missing ones are its own defaults.
        models: folders or files of models, () = ``EX4D_MODELS`` or the user's folder.

    Raises:
        UsageError: there is none, or it has no use for an option or its value.
    """
    found = {info.name: (spec, info) for spec in specs() for info in spec.infos}
    if name not in found:
        raise UsageError(f"There is no fill «{name}».", f"Use one of: {', '.join(found)}.")
    spec, info = found[name]
    given = {option: value for option, value in (options or {}).items() if value is not None}
    check_options(given)
    for option in all_options().values():
        # An empty text says nothing.
        if option.name not in spec.options and given.get(option.name, "") != "":
            raise _refusal(info, option)
    if models and spec.files is None:
        raise _no_model(info)
    own = {option: value for option, value in given.items() if option in spec.options}
    _check(spec, own)
    return spec.create(name, own, models)


def _refusal(info: GeneratorInfo, option: OptionInfo) -> UsageError:
    """Of an option that others have."""
    if not info.generative and (option.kind in ("size", "file") or option.name in ("steps", "gpus")):
        return _no_model(info)
    return UsageError(f"The fill «{info.name}» takes no {option.label.lower()}.", "Leave it out.")


def _no_model(info: GeneratorInfo) -> UsageError:
    return UsageError(f"The fill «{info.name}» is no model and takes neither size, steps nor files.", "Leave them out.")
