# SPDX-License-Identifier: Apache-2.0
"""Which colour space a plate is in: what is asked for, else what its file says, in a fixed order.

The order: OpenEXR's ``colorInteropID``, the ACES container's flag, chromaticities, a camera's log space by name, code
points of H.273 (a movie's tags, PNG's ``cICP``), an ICC profile, PNG's ``sRGB``, ``gAMA`` and ``cHRM``, a DPX header's
transfer characteristic. Pictures of whole code values that say nothing are sRGB; floats and logs that say nothing are
refused, as there is nothing to be right about.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ex4d.colour import curve
from ex4d.colour.config import BUILT_IN, Configuration, open_configuration
from ex4d.colour.gamuts import (
    AP0,
    AP1,
    GAMUTS,
    P3_D65,
    REC709,
    REC2020,
    TOLERANCE,
    Gamut,
    between,
    chromaticities_of,
    gamut_of_chromaticities,
    gamut_of_names,
    rgb_to_xyz,
)
from ex4d.colour.known_spaces import (
    ADOBE_RGB_1998,
    DISPLAY_P3,
    HLG_REC2020,
    PQ_P3,
    PQ_REC2020,
    PROPHOTO_RGB,
    REC2020_SDR,
    SRGB_REC709,
    KnownSpace,
    known_space,
)
from ex4d.colour.plate_colour import AUTO, PlateColour
from ex4d.colour.said import READERS, Said
from ex4d.colour.transfer import GAMMA_22, GAMMA_28, HLG, LINEAR, PQ, SRGB, Transfer
from ex4d.colour.transforms import DISPLAY_WORKING, file_primaries_space, is_per_channel
from ex4d.media.colour_tags import Chromaticities
from ex4d.media.picture_facts import PictureFacts
from ex4d.protocol.errors import BadInputError

# What a refusal offers first.
_OFFERED = (AP1, AP0, REC709, REC2020, P3_D65)
_OFFERED_LOGS = ("adx10_apd", "ADX10", "arri_logc3_ei800", "arri_logc4", "slog3_sgamut3cine", "vlog_vgamut")
# Transfer characteristics of H.273, table 3.
_TRANSFER_CODES = {GAMMA_22.name: 4, GAMMA_28.name: 5, LINEAR.name: 8, SRGB.name: 13, PQ.name: 16, HLG.name: 18}
_PQ_NOTE = "PQ: 203 cd/m² is linear 1.0 (ITU-R BT.2408)."
_HLG_NOTE = "HLG: scene light, of which the signal 75 % is linear 1.0 (ITU-R BT.2408)."


def resolve(
    facts: PictureFacts, *, wanted: str = AUTO, ocio: Path | None = None, environ: Mapping[str, str] = os.environ
) -> PlateColour:
    """The colour space of a plate.

    Args:
        facts: of its file.
        wanted: a name of the configuration, or ``AUTO``.
        ocio: a configuration; None = $OCIO, or the built-in one.
        environ: for $OCIO.

    Raises:
        BadInputError: the name or the configuration is not there, the space cannot be that of such a file, or the file
            says nothing where that must be known; names the choices.
    """
    resolver = _Resolver(facts, lambda: open_configuration(ocio, environ))
    if ocio is not None:
        open_configuration(ocio, environ)
    return resolver.automatic() if wanted == AUTO else resolver.named(wanted, "--colour-space")


class _Resolver:
    def __init__(self, facts: PictureFacts, configuration: Callable[[], Configuration]) -> None:
        self.facts = facts
        self.tags = facts.colour
        self._open = configuration

    def automatic(self) -> PlateColour:
        """By what the file says."""
        lost: list[str] = []
        for read in READERS:
            said = read(self.tags)
            if said is None:
                continue
            lost += said.notes
            if said.name:
                configuration = self._having(said.name)
                if configuration is None:
                    lost.append(f"No colour space «{said.name}» is known, which {said.by} names: it is passed over.")
                    continue
                colour = self._of_name(configuration, said.name, said.by)
            elif said.transfer is not None:
                colour = self._of_curve(said)
            else:
                continue
            conflicts = tuple(self._conflicts(said, colour))
            return replace(colour, notes=tuple(dict.fromkeys((*lost, *colour.notes, *conflicts))))
        return replace(self._untagged(), notes=tuple(lost))

    def named(self, wanted: str, said_by: str) -> PlateColour:
        """By a name that the user gives."""
        configuration = self._open()
        if configuration.find(wanted) is None and known_space((wanted,)) is None:
            configuration.require(wanted)
        colour = self._of_name(configuration, wanted, said_by)
        return replace(colour, notes=(*colour.notes, *self._overruled(wanted)))

    def _having(self, name: str) -> Configuration | None:
        """The configuration if it has the space by any name, else the built-in one if that has."""
        for configuration in (self._open(), open_configuration(None, {})):
            if configuration.find_first(*_all_names(name)) is not None:
                return configuration
        return self._open() if known_space((name,)) is not None else None

    def _of_name(self, configuration: Configuration, name: str, said_by: str) -> PlateColour:
        found = configuration.find_first(*_all_names(name))
        names = configuration.names_of(found) if found is not None else (name,)
        if found is not None and configuration.encoding(found) == "data":
            raise BadInputError(
                f"«{found}», which {said_by} names, holds data and no colours.", self._offer(configuration)
            )
        notes = [] if configuration == self._open() else [self._elsewhere(name, configuration)]
        known = known_space(names)
        if known is not None:
            colour = self._of_known(known, said_by, configuration, found)
        elif found is not None and configuration.is_linear(found):
            colour = self._of_linear(configuration, found, said_by)
        elif found is not None:
            colour = self._of_log(configuration, found, said_by)
        else:
            raise BadInputError(f"No colour space «{name}» is known.", self._offer(configuration))
        return replace(colour, notes=(*notes, *colour.notes))

    def _elsewhere(self, name: str, configuration: Configuration) -> str:
        return f"The configuration {self._open().name} has no «{name}»: {configuration.name} says what it is."

    def _of_linear(self, configuration: Configuration, space: str, said_by: str) -> PlateColour:
        kind = "linear" if self.facts.encoding.is_float else "codes"
        notes = () if kind == "linear" else (f"Whole code values are taken as scene-linear 0..1 («{space}»).",)
        chromaticities, interop_id, more = self._primaries(configuration, space)
        return self._colour(
            kind,
            space,
            space,
            configuration,
            said_by,
            chromaticities=chromaticities,
            interop_id=interop_id,
            primaries=_h273_of(chromaticities),
            transfer=8,
            notes=(*notes, *more),
        )

    def _of_log(self, configuration: Configuration, space: str, said_by: str) -> PlateColour:
        self._refuse_float(configuration, space, said_by)
        linear_space = _linear_of(configuration, space)
        chromaticities, interop_id, notes = self._primaries(configuration, linear_space)
        if not is_per_channel(configuration, space, linear_space):
            notes = (*notes, f"The configuration has no linear space of the primaries of «{space}»: «{linear_space}».")
        return self._colour(
            "codes",
            space,
            linear_space,
            configuration,
            said_by,
            chromaticities=chromaticities,
            interop_id=interop_id,
            notes=notes,
        )

    def _of_known(
        self, known: KnownSpace, said_by: str, configuration: Configuration | None, found: str | None = None
    ) -> PlateColour:
        if self.facts.encoding.is_float:
            self._refuse_float(configuration or self._open(), found or known.name, said_by)
        is_display = known.kind == "display"
        # Ordinary display pictures need no configuration, and none is opened for them.
        if is_display and self.facts.encoding.is_display:
            kind, working = "display", ""
        else:
            kind, working = "codes", DISPLAY_WORKING if is_display else curve.NAME
            configuration = configuration or self._open()
        linear_space, interop_id = known.gamut.title, known.gamut.interop_id
        notes = {PQ.name: (_PQ_NOTE,), HLG.name: (_HLG_NOTE,)}.get(known.transfer.name, ())
        if configuration is not None:
            there = configuration.find_first(*known.gamut.all_names)
            linear_space = there or known.gamut.title
        if kind == "codes" and is_display:
            notes = (f"Scene-linear results are the light of these codes by {known.transfer.title}.",)
        return self._colour(
            kind,
            found or known.name,
            linear_space,
            configuration,
            said_by,
            working=working,
            chromaticities=known.gamut.chromaticities,
            interop_id=interop_id,
            primaries=known.gamut.h273,
            transfer=known.h273_transfer,
            notes=notes,
        )

    def _of_curve(self, said: Said) -> PlateColour:
        """By chromaticities and a curve."""
        if said.transfer is None:
            raise AssertionError("Only what has a curve comes here")
        gamut = gamut_of_chromaticities(said.chromaticities) if said.chromaticities else REC709
        known = _known_of(gamut, said.transfer) if gamut is not None else None
        if known is not None:
            plain = known is SRGB_REC709 and self.facts.encoding.is_display
            colour = self._plain(said.by) if plain else self._of_known(known, said.by, None)
            if said.primaries is not None:
                colour = replace(
                    colour,
                    primaries=colour.primaries or said.primaries,
                    transfer=said.transfer_code or colour.transfer,
                    matrix=_matrix_code(said.primaries),
                )
            return colour
        if gamut is not None and gamut.interop_id and said.transfer is LINEAR:
            configuration = self._having(gamut.interop_id)
            if configuration is not None:
                colour = self._of_linear(
                    configuration,
                    configuration.find_first(*gamut.all_names) or gamut.names[0],
                    said.by,
                )
                if configuration != self._open():
                    colour = replace(colour, notes=(self._elsewhere(gamut.title, configuration), *colour.notes))
                return colour
        return self._of_file_primaries(said, gamut)

    def _of_file_primaries(self, said: Said, gamut: Gamut | None) -> PlateColour:
        """Of primaries that no configuration has a name for: their own matrix is used."""
        transfer, chromaticities = said.transfer or LINEAR, said.chromaticities or REC709.chromaticities
        try:
            rgb_to_xyz(chromaticities)
        except ValueError as error:
            raise BadInputError(
                f"The chromaticities of the {self.tags.container} file are no primaries: {error}.",
                self._offer(self._open()),
            ) from error
        is_float, is_linear = self.facts.encoding.is_float, transfer is LINEAR
        if is_float and not is_linear:
            self._refuse_float(self._open(), transfer.title, said.by)
        is_display = self.facts.encoding.is_display and not is_linear and transfer not in (PQ, HLG)
        kind = "linear" if is_float else "display" if is_display else "codes"
        if is_display:
            working = ""
        else:
            working = curve.NAME if is_linear or transfer in (PQ, HLG) else DISPLAY_WORKING
        title = gamut.title if gamut is not None else "as the file has them"
        return self._colour(
            kind,
            file_primaries_space(transfer.name),
            file_primaries_space(LINEAR.name),
            None if kind == "display" else self._open(),
            said.by,
            working=working,
            chromaticities=chromaticities,
            primaries=said.primaries or (gamut.h273 if gamut is not None else None),
            transfer=said.transfer_code or _TRANSFER_CODES.get(transfer.name),
            notes=(f"No configured colour space has these primaries ({title}): their own matrix is used.",)
            if kind != "display"
            else (),
        )

    def _plain(self, said_by: str) -> PlateColour:
        """An ordinary picture: sRGB or Rec.709, used as it is."""
        return self._colour(
            "display",
            "",
            REC709.title,
            None,
            said_by,
            working="",
            chromaticities=REC709.chromaticities,
            interop_id=REC709.interop_id,
            primaries=1,
            transfer=13 if said_by == "assumed" else None,
        )

    def _untagged(self) -> PlateColour:
        encoding = self.facts.encoding
        if encoding.is_display:
            return self._plain("assumed")
        configuration = self._open()
        if encoding.is_float:
            raise BadInputError(
                f"The {self.tags.container} file holds floats and says nothing of its colour space.",
                self._offer(configuration),
            )
        if "DPX" in self.tags.container:
            raise BadInputError(
                "The DPX file does not say which curve its codes have.", self._offer_logs(configuration)
            )
        return self._of_known(SRGB_REC709, "assumed", configuration)

    def _colour(
        self,
        kind: str,
        space: str,
        linear_space: str,
        configuration: Configuration | None,
        said_by: str,
        *,
        working: str = curve.NAME,
        chromaticities: Chromaticities | None = None,
        interop_id: str = "",
        primaries: int | None = None,
        transfer: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> PlateColour:
        return PlateColour.from_record(
            {
                "kind": kind,
                "space": space,
                "linear_space": linear_space,
                "config": configuration.name if configuration is not None else BUILT_IN,
                "config_file": configuration.file if configuration is not None else None,
                "config_hash": configuration.content_hash if configuration is not None else "",
                "working": working,
                "chromaticities": chromaticities,
                "interop_id": interop_id,
                "primaries": primaries,
                "transfer": transfer,
                "matrix": _matrix_code(primaries) if primaries is not None else None,
                "said_by": said_by,
                "notes": notes,
            }
        )

    def _primaries(
        self, configuration: Configuration, linear_space: str
    ) -> tuple[Chromaticities | None, str, tuple[str, ...]]:
        """Chromaticities and interop ID of a linear space, and what is assumed of it."""
        matrix = configuration.to_rec709(linear_space)
        names = configuration.names_of(linear_space)
        if matrix is not None:
            derived = chromaticities_of(matrix)
            for gamut in GAMUTS:
                seen = chromaticities_of(between(gamut.chromaticities, REC709.chromaticities))
                if gamut.interop_id and np.abs(np.subtract(seen, derived)).max() <= TOLERANCE:
                    return gamut.chromaticities, gamut.interop_id, ()
        named = gamut_of_names(names)
        if named is not None and (matrix is None or named not in GAMUTS):
            return named.chromaticities, named.interop_id, ()
        if matrix is None:
            note = (
                f"The configuration {configuration.name} does not say which primaries «{linear_space}» has: they are "
                "taken as Rec.709's in the working picture."
            )
            return None, "", (note,)
        interop_id = next((name for name in names if name.startswith("ocio:")), "")
        return chromaticities_of(matrix), interop_id, ()

    def _refuse_float(self, configuration: Configuration, space: str, said_by: str) -> None:
        if self.facts.encoding.is_float:
            raise BadInputError(
                f"The {self.tags.container} file holds floats, and «{space}» ({said_by}) is not scene-linear.",
                f"Convert it to a scene-linear space, or to 16-bit codes. {self._offer(configuration)}",
            )

    @staticmethod
    def _offer(configuration: Configuration) -> str:
        found = [configuration.find_first(*gamut.all_names) for gamut in _OFFERED]
        names = list(dict.fromkeys([name for name in found if name] + configuration.linear_names()))[:5]
        names += [name for name in configuration.names() if name not in names][: max(0, 3 - len(names))]
        return _choose(names)

    @staticmethod
    def _offer_logs(configuration: Configuration) -> str:
        found = [configuration.find(name) for name in _OFFERED_LOGS]
        names = list(dict.fromkeys([name for name in found if name] + configuration.log_names()))[:6]
        names += [name for name in configuration.names() if name not in names][: max(0, 3 - len(names))]
        return _choose(names)

    def _conflicts(self, said: Said, colour: PlateColour) -> Iterator[str]:
        """What the file says besides, and otherwise."""
        tagged = self.tags.chromaticities
        if tagged is None or colour.chromaticities is None or said.chromaticities is not None:
            return
        if np.abs(np.subtract(tagged, colour.chromaticities)).max() > 0.002:
            yield f"The file's chromaticities are not those of «{colour.space}»: {said.by} goes before them."

    def _overruled(self, wanted: str) -> Iterator[str]:
        try:
            automatic = self.automatic()
        except BadInputError:
            return
        if automatic.said_by == "assumed" or automatic.space in ("",):
            return
        chosen = self._of_name(self._open(), wanted, "--colour-space")
        if (automatic.space, automatic.chromaticities) != (chosen.space, chosen.chromaticities):
            yield f"The file says «{automatic.space}» by {automatic.said_by}; --colour-space goes before it."


def _choose(names: list[str]) -> str:
    options = ", ".join(f'--colour-space "{name}"' for name in names)
    return f"Say which it is: {options}; `ex4d colour-spaces` lists all names."


def _all_names(name: str) -> tuple[str, ...]:
    """A name and those that configurations have for the same linear space, as interop IDs are not in all of them."""
    gamut = gamut_of_names((name,))
    return (name, *gamut.all_names) if gamut is not None else (name,)


def _h273_of(chromaticities: Chromaticities | None) -> int | None:
    gamut = gamut_of_chromaticities(chromaticities) if chromaticities is not None else None
    return gamut.h273 if gamut is not None else None


def _matrix_code(primaries: int | None) -> int:
    """H.273 matrix of movies of such primaries."""
    return {9: 9, 5: 5, 6: 6, 7: 7}.get(primaries or 1, 1)


def _linear_of(configuration: Configuration, space: str) -> str:
    """The linear space of the same primaries, else ``scene_linear``, else the first."""
    linear = configuration.linear_names()
    for name in linear:
        if is_per_channel(configuration, space, name):
            return name
    scene_linear = configuration.find("scene_linear")
    if scene_linear is None and not linear:
        raise BadInputError(
            f"The configuration {configuration.name} has no scene-linear space.",
            "Give it the role scene_linear, or leave --ocio out.",
        )
    return scene_linear or linear[0]


def _known_of(gamut: Gamut, transfer: Transfer) -> KnownSpace | None:
    if gamut.title == REC709.title and transfer in (SRGB, GAMMA_22):
        return SRGB_REC709
    spaces = (SRGB_REC709, DISPLAY_P3, REC2020_SDR, ADOBE_RGB_1998, PROPHOTO_RGB, PQ_REC2020, PQ_P3, HLG_REC2020)
    return next((known for known in spaces if known.gamut == gamut and known.transfer.is_near(transfer)), None)
