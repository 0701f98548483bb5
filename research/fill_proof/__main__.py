# SPDX-License-Identifier: GPL-3.0-or-later
"""Does training with simulated masks teach to fill holes?

    python -m research.fill_proof clips|crops|takes|pack|train|score

A small backbone of Wan's kind learns rendered clips, is frozen, and an adapter learns simulated masks on it, as
``ex4d train`` does with the 14B model. Takes of other scenes, whose true novel views are rendered too, are the test.
docs/quality.md has what came of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

FRAMES, SIZE = 17, 64
#: Of adapters, by the masks that they learn; a wrong name is told before the backbone is trained.
POLICIES = ("rendering", "tracking", "either", "both")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m research.fill_proof",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("clips", help="clips with known depth, with Cycles on the CPU")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--scenes", type=int, default=300)
    verb.add_argument("--first", type=int, default=50_000, help="seed of the first scene")
    verb.add_argument(
        "--reach", type=float, default=0.16, help="how far cameras go at most, as a share of their distance"
    )
    verb.add_argument("--workers", type=int, default=2)
    verb = verbs.add_parser("crops", help="clips cut out of footage, with the default depth")
    verb.add_argument("video", type=Path)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--count", type=int, default=48)
    verb = verbs.add_parser("takes", help="takes of other scenes with their true novel views, and of footage")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--footage", type=Path, nargs="*", default=[], help="videos to look at")
    verb.add_argument("--workers", type=int, default=2)
    verb = verbs.add_parser("pack", help="clips with their simulated masks in one file")
    verb.add_argument("clips", type=Path, nargs="+")
    verb.add_argument("--out", type=Path, required=True)
    verb = verbs.add_parser("train", help="on one GPU: backbone, adapters, what they make of the takes")
    verb.add_argument("data", type=Path)
    verb.add_argument("--takes", type=Path, required=True, help="takes.npz")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--seconds", type=float, default=600, help="for the backbone; default %(default)g")
    verb.add_argument("--adapter-seconds", type=float, default=150, help="for each adapter; default %(default)g")
    verb.add_argument("--policies", nargs="+", choices=POLICIES, default=POLICIES, help="default: all")
    verb.add_argument("--start", type=Path, help="backbone.pt of another run, to go on from")
    verb.add_argument("--device", default="cuda")
    verb.add_argument("--batch", type=int, default=96)
    verb = verbs.add_parser("score", help="a table and pictures of what was made of the takes")
    verb.add_argument("takes", type=Path, help="the folder of the takes")
    verb.add_argument("results", type=Path)
    verb.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    """The command line."""
    args = _arguments()
    if args.verb == "clips":
        from research.fill_proof.render import render

        # Larger than what is learned, for crops.
        shape = {"clips": 3, "frames": FRAMES, "size": SIZE * 5 // 4, "samples": 6, "reach": args.reach}
        render(args.out, args.scenes, args.first, args.workers, shape)
    elif args.verb == "crops":
        from research.fill_proof.crops import cut

        print(f"{cut(args.video, args.out, args.count, FRAMES, SIZE * 5 // 4)} clips")
    elif args.verb == "takes":
        from research.fill_proof.takes import write

        print(f"{write(args.out, FRAMES, SIZE, args.workers, args.footage)} takes")
    elif args.verb == "pack":
        from research.fill_proof.pack import pack

        print(f"{pack(args.clips, args.out)} clips, {args.out.stat().st_size / 2**20:.1f} MiB")
    elif args.verb == "score":
        from research.fill_proof.score import score

        score(args.takes, args.results, args.out)
    else:
        from research.fill_proof.train import train

        options = {"seconds": args.seconds, "adapter_seconds": args.adapter_seconds}
        options |= {"policies": args.policies, "start": args.start}
        train(args.data, args.takes, args.out, device=args.device, batch=args.batch, **options)


if __name__ == "__main__":
    main()
