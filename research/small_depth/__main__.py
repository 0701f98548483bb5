# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the depth estimator `small`: python -m research.small_depth render|pack|train|mix|export|look

docs/depth.md and the README beside this tell how.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m research.small_depth", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("render", help="frames with known depth, with Cycles on the CPU")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--scenes", type=int, default=300)
    verb.add_argument("--first", type=int, default=1000, help="seed of the first scene")
    verb.add_argument("--views", type=int, default=8, help="frames of each scene")
    verb.add_argument("--size", type=int, default=256)
    verb.add_argument("--samples", type=int, default=8)
    verb.add_argument("--workers", type=int, default=2)
    verb.add_argument("--kinds", nargs="+", default=[], metavar="NAME", help="of scenes, in turn; default: all kinds")
    verb = verbs.add_parser("pack", help="all frames of such folders in one file")
    verb.add_argument("folders", type=Path, nargs="+")
    verb.add_argument("--out", type=Path, required=True)
    verb = verbs.add_parser("train", help="on one GPU")
    verb.add_argument("data", type=Path, nargs="+", help="packed frames")
    verb.add_argument("--held-out", type=Path, required=True, help="packed frames of other seeds")
    verb.add_argument("--clip", type=Path, help="a video to look at")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--seconds", type=float, default=420)
    verb.add_argument("--batch", type=int, default=96)
    verb.add_argument("--device", default="cuda")
    verb.add_argument("--start", type=Path, help="weights.onnx to go on from")
    verb = verbs.add_parser("mix", help="the mean of weights that training went on from and those that it came to")
    verb.add_argument("start", type=Path, help="weights.onnx")
    verb.add_argument("weights", type=Path, help="weights.pt")
    verb.add_argument("--share", type=float, required=True, help="of the new ones, 0 to 1; held-out frames tell which")
    verb.add_argument("--held-out", type=Path, required=True, help="packed frames")
    verb.add_argument("--out", type=Path, required=True)
    verb = verbs.add_parser("export", help="the weights as ONNX")
    verb.add_argument("weights", type=Path)
    verb.add_argument("--out", type=Path, required=True)
    verb = verbs.add_parser("look", help="estimators on a clip: a sheet of pictures, and flicker")
    verb.add_argument("clip", type=Path)
    verb.add_argument("--depth", nargs="+", default=["prior", "small"], metavar="NAME")
    verb.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    """Do what is asked for."""
    args = parse_arguments()
    if args.verb == "render":
        from research.small_depth.render import render

        render(args.out, args.scenes, args.first, args.views, args.size, args.samples, args.workers, args.kinds)
    elif args.verb == "pack":
        from research.small_depth.pack import pack

        print(f"{pack(args.folders, args.out)} frames, {args.out.stat().st_size / 2**20:.1f} MiB")
    elif args.verb == "train":
        from research.small_depth.train import train

        options = {"seconds": args.seconds, "size": args.batch, "device": args.device}
        train(args.data, args.held_out, args.clip, args.out, start=args.start, **options)
    elif args.verb == "mix":
        from research.small_depth.start import mix

        print(f"held out: {mix(args.start, args.weights, args.share, args.held_out, args.out)}")
    elif args.verb == "look":
        from research.small_depth.look import look

        look(args.clip, args.depth, args.out)
    else:
        from research.small_depth.export import export

        export(args.weights, args.out)


if __name__ == "__main__":
    main()
