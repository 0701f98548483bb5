# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of models that can be downloaded: licence, size, how far they are, what comes first."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from ex4d.protocol.models import Commercial, ModelInfo

from .texts import size

#: Headings of the parts of a list, in their order.
HEADINGS: dict[Commercial, str] = {
    "yes": "Free for commercial work",
    "read": "Read its licence before commercial work",
    "no": "Not for commercial work",
}
#: What the extra gpu brings: to download, by the system. The wheels of the lock added up; Windows' come from another
#: index, whose sizes were not looked up.
_PACKAGES = {"linux": "2.8 GB", "darwin": "0.3 GB"}


def size_text(info: ModelInfo) -> str:
    """«116 MB», with «about» where nobody has told it yet."""
    return size(info.size) if info.size_known else f"about {size(info.size)}"


def needs_text(info: ModelInfo, profile: str = "") -> str:
    """Sentences on its size, what it may be used for and the memory that it, or one of its profiles, needs."""
    return " ".join([f"To download and on disk: {size_text(info)}.", *info.use(profile)])


def packages_text() -> str:
    """How much the packages are that learned models need, to download; on disk they take about twice that."""
    return _PACKAGES.get(sys.platform, "several GB")


def moge_text() -> str:
    """How much MoGe-2 needs besides."""
    return "40 MB"


def heading(info: ModelInfo) -> str:
    """The part of the list that it stands in."""
    return HEADINGS[info.commercial]


def state_text(info: ModelInfo) -> str:
    """How much of it is here."""
    if info.state == "here":
        return "on this computer"
    if info.state == "begun":
        percent = f"{100 * info.got / info.size:.0f} %, " if info.size_known and info.size else ""
        return f"paused: {percent}{size(info.got)} of {size_text(info)}"
    return size_text(info)


def parts(infos: Iterable[ModelInfo]) -> list[tuple[str, list[ModelInfo]]]:
    """Models under their headings, those for commercial work first."""
    by_heading = {text: [info for info in infos if heading(info) == text] for text in HEADINGS.values()}
    return [(text, found) for text, found in by_heading.items() if found]


def sentences_before(info: ModelInfo) -> list[str]:
    """What is said before a download: what comes, whether it may be used for work that is sold, what comes first, and
    what its files are compared with."""
    left = max(info.size - info.got, 0)
    rest = f" {size(info.got)} are here, {size(left)} are still to come." if info.state == "begun" else ""
    said = [f"{heading(info)}. Licence: {info.licence}.", f"To download: {size_text(info)}.{rest}", *info.use()[1:]]
    if info.missing:
        # MoGe's own are few; the others may be there already.
        few = moge_text() if info.missing == ("moge",) else packages_text()
        said.append(
            f"Before that the packages that it runs with are installed: {few} to download, about twice that on disk. "
            "The backend is stopped for it, and goes on from finished stages."
        )
    if info.gated:
        said.append(
            "Its page wants its terms accepted. Accept them there, and start Blender with HF_TOKEN set to a token of "
            "yours; else the download ends with a sentence that says so."
        )
    if not info.pinned:
        said.append(
            "This version of EX-4D does not know its checksums: the newest files are taken and compared with the "
            "checksums that the hub itself tells. Damage on the way is found, a file changed on the hub is not."
        )
    said.append(f"It comes from the Hugging Face hub, {', '.join(info.repositories)}, to {info.folder}.")
    return said


def why_not_installed(info: ModelInfo) -> str:
    """Why no button can bring what it runs with; "" where one can, or nothing is missing."""
    if not info.missing or info.extra:
        return ""
    return f"It needs {', '.join(info.missing)}, which the installer does not bring. Get it with: {info.install}."
