# SPDX-License-Identifier: Apache-2.0
"""What a plate's file says of its colours, read: the name of a space, or primaries and a curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ex4d.colour.gamuts import AP0, REC709, REC2020, gamut_of_h273
from ex4d.colour.icc_profile import CodePoints, profile_space
from ex4d.colour.known_spaces import REC2020_SDR
from ex4d.colour.transfer import GAMMA_22, GAMMA_28, HLG, LINEAR, PQ, SRGB, Transfer, gamma
from ex4d.media.colour_tags import Chromaticities, ColourTags
from ex4d.media.icc import profile_note
from ex4d.protocol.errors import BadInputError

# Transfer characteristics of H.273, table 3.
_H273_VIDEO = {1, 6, 7, 11, 12, 13, 14, 15}
_H273_TRANSFERS = {4: GAMMA_22, 5: GAMMA_28, 8: LINEAR, 16: PQ, 18: HLG}
# Of SMPTE 268M, table 5A.
_DPX_LINEAR, _DPX_VIDEO, _DPX_DEPTH = 2, range(4, 11), (11, 12)
# sRGB's writers say 1/2.2 as gAMA.
_SRGB_GAMMA = (2.1, 2.3)


@dataclass(frozen=True)
class Said:
    """What a file says, read: a space of the configuration, or primaries and a curve.

    Attributes:
        by: what says it, in words.
        name: of a space; "" = primaries and curve.
        chromaticities, transfer: of it where no name is given.
        primaries, transfer_code: of H.273, where they are what said it.
        notes: on what was assumed.
    """

    by: str
    name: str = ""
    chromaticities: Chromaticities | None = None
    transfer: Transfer | None = None
    primaries: int | None = None
    transfer_code: int | None = None
    notes: tuple[str, ...] = ()


def _by_interop_id(tags: ColourTags) -> Said | None:
    if tags.interop_id in ("", "unknown"):
        return None
    return Said("colorInteropID", tags.interop_id)


def _by_aces_container(tags: ColourTags) -> Said | None:
    return Said("the ACES container", AP0.interop_id) if tags.aces_container else None


def _by_chromaticities(tags: ColourTags) -> Said | None:
    if tags.chromaticities is None or "EXR" not in tags.container:
        return None
    return Said("chromaticities", "", tags.chromaticities, LINEAR)


def _by_name(tags: ColourTags) -> Said | None:
    return Said("the camera's own data", tags.name) if tags.name else None


def _by_h273(tags: ColourTags) -> Said | None:
    if tags.primaries in (None, 2) and tags.transfer in (None, 2):
        return None
    by = "cICP" if tags.container == "PNG" else "the movie's tags" if tags.icc is None else "tags"
    notes: list[str] = []
    primaries = tags.primaries if tags.primaries not in (None, 2) else None
    transfer_code = tags.transfer if tags.transfer not in (None, 2) else None
    hdr = transfer_code in (16, 18)
    if primaries is None:
        primaries = 9 if hdr else 1
        if hdr:
            notes.append("The curve is tagged, the primaries are not: Rec.2020 is assumed.")
    gamut = gamut_of_h273(primaries)
    if gamut is None:
        notes.append(f"The tagged primaries (H.273 number {primaries}) are not known: Rec.709 is assumed.")
        gamut = REC709
    if primaries in (5, 6, 7) and not hdr:
        notes.append(f"The primaries of {gamut.title} are used as Rec.709's.")
        gamut, primaries = REC709, 1
    if transfer_code is None or transfer_code in _H273_VIDEO:
        transfer: Transfer = SRGB
        if gamut == REC2020 and transfer_code != 13:
            transfer = REC2020_SDR.transfer
    elif (found := _H273_TRANSFERS.get(transfer_code)) is not None:
        transfer = found
    else:
        notes.append(f"The tagged curve (H.273 number {transfer_code}) is not known: values are used as they are.")
        transfer = SRGB
    return Said(by, "", gamut.chromaticities, transfer, primaries, transfer_code, tuple(notes))


def _by_icc(tags: ColourTags) -> Said | None:
    if tags.icc is None:
        return None
    space = profile_space(tags.icc)
    if space is None:
        note = profile_note(tags.icc)
        return Said("the ICC profile", notes=(note,)) if note is not None else None
    if isinstance(space, CodePoints):
        said = _by_h273(ColourTags(tags.container, primaries=space.primaries, transfer=space.transfer))
        return replace(said, by="the ICC profile") if said is not None else None
    gamut, transfer = space
    return Said("the ICC profile", "", gamut.chromaticities, transfer)


def _by_png(tags: ColourTags) -> Said | None:
    if tags.is_srgb:
        return Said("sRGB", "", REC709.chromaticities, SRGB)
    if tags.gamma is None:
        if tags.chromaticities is None or tags.container != "PNG":
            return None
        return Said("cHRM", "", tags.chromaticities, SRGB)
    by = "gAMA" if tags.chromaticities is None else "gAMA and cHRM"
    if abs(tags.gamma - 1) < 0.01:
        transfer = LINEAR
    elif _SRGB_GAMMA[0] <= tags.gamma <= _SRGB_GAMMA[1]:
        transfer = GAMMA_22
    else:
        transfer = gamma(round(tags.gamma, 4))
    notes = ("The file does not say which primaries it has: Rec.709 is assumed.",)
    assumed = tags.chromaticities is None and transfer is LINEAR
    return Said(by, "", tags.chromaticities or REC709.chromaticities, transfer, notes=notes if assumed else ())


def _by_dpx(tags: ColourTags) -> Said | None:
    code = tags.dpx_transfer
    if code == _DPX_LINEAR:
        note = "The DPX header says linear and no primaries: Rec.709 is assumed."
        return Said("the DPX header", "", REC709.chromaticities, LINEAR, notes=(note,))
    if code in _DPX_VIDEO:
        return Said("the DPX header", "", REC709.chromaticities, SRGB)
    if code in _DPX_DEPTH:
        raise BadInputError("The DPX file holds depth, by its header.", "Give it as --depth, and a picture as plate.")
    return None


#: What is looked at, in this order; each gives None where the file does not say it.
READERS: tuple[Callable[[ColourTags], Said | None], ...] = (
    _by_interop_id,
    _by_aces_container,
    _by_chromaticities,
    _by_name,
    _by_h273,
    _by_icc,
    _by_png,
    _by_dpx,
)
