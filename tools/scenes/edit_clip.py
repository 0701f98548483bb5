# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit a rendered scene's plate as real plates are edited, and keep its truth: python -m tools.scenes.edit_clip SCENE
--out FOLDER EDIT... with edits such as distort:-0.15 letterbox:2.39 burn_in, one after another. FOLDER is a scene
without targets. Blur and rolling shutter want a scene rendered at a multiple of the rate (make_groundtruth --fps)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.scenes.make_groundtruth import use_environment


def main() -> None:
    """The command line."""
    use_environment("tools.scenes.edit_clip")
    from ex4d.protocol.errors import BadInputError
    from tools.scenes.truth.edits import EDITS, parse, read, write

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", type=Path, help="folder of make_groundtruth")
    usage = ", ".join(f"{name}:{edit.usage}" if edit.values else name for name, edit in EDITS.items())
    parser.add_argument("edits", nargs="+", metavar="EDIT", help=usage)
    parser.add_argument("--out", type=Path, required=True, help="folder of the edited scene")
    args = parser.parse_args()
    try:
        clip = read(args.scene)
        for text in args.edits:
            clip = parse(text)(clip)
    except (ValueError, BadInputError) as error:
        sys.exit(f"error: {error}")
    write(clip.noted(edits=args.edits), args.out)
    print(f"{args.out}: {len(clip)} frames of {clip.width}x{clip.height}")


if __name__ == "__main__":
    main()
