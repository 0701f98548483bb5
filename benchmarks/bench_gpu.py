# SPDX-License-Identifier: Apache-2.0
"""Time and memory of the model at full size on this machine's GPU, with random weights.

    python -m benchmarks.bench_gpu VERB

    profiles                    a whole job with each profile, against the first, exact
    gpus                        whole jobs that several GPUs share, against one
    takes                       several takes: one after the other on all GPUs, or one on each GPU at once
    memory                      whole jobs within so many GiB of GPU memory
    vae                         the VAE, plain and fast, against float32
    files FOLDER                writes a model of the released size, 35 GB
    files FOLDER --float8 NEW   the same in 8 bits, 20 GB, from FOLDER, which is made if need be
    cold FOLDER --drop-caches   from the start of a process to the end of a job, with those files

But for the last two, weights are made on the GPU, so nothing needs to be downloaded; speed and memory do not depend on
their values. PSNR of random weights says how far a profile's arithmetic is from that of exact, not how a picture looks.
Prints tables in Markdown for docs/benchmarks.md. --toy takes a few small blocks, on any device (--device cpu), to try
the script.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

from benchmarks.gpu.cold import ColdError, bench_cold

#: Not imported from the backend: see ``benchmarks.gpu.cold``.
PROFILES = ("exact", "fast", "turbo", "draft")


def _clip_size(text: str) -> str:
    if not re.fullmatch(r"[0-9]+x[0-9]+x[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text} is no width, height and number of frames, as 832x480x81")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--toy", action="store_true", help="a toy model and clip")
    common.add_argument("--device", help="cuda, cuda:1 or cpu (with --toy); default: the first GPU")
    verbs = parser.add_subparsers(dest="what", required=True)
    helps = {
        "profiles": "whole jobs",
        "gpus": "whole jobs on several GPUs",
        "takes": "several takes on several GPUs",
        "memory": "whole jobs in less memory",
        "vae": "the VAE",
        "files": "write a model with random weights",
        "cold": "whole jobs from files, in fresh processes",
    }
    subs = {name: verbs.add_parser(name, help=text, parents=[common]) for name, text in helps.items()}
    for name, default in (
        ("profiles", PROFILES),
        ("gpus", ("exact", "fast")),
        ("takes", ("exact", "fast")),
        ("memory", ("exact", "fast")),
        ("cold", ("exact", "fast")),
    ):
        subs[name].add_argument("--profiles", "--profile", nargs="+", default=default, choices=PROFILES)
    subs["memory"].add_argument(
        "--limits", nargs="+", type=float, metavar="GIB", help="of cards; default: exact 80 48 24, fast 80 24 16 12"
    )
    subs["gpus"].add_argument("--counts", nargs="+", type=int, default=(1, 2), metavar="N", help="default: 1 2")
    subs["takes"].add_argument("--count", type=int, default=2, metavar="N", help="GPUs, and takes (default 2)")
    subs["gpus"].add_argument(
        "--sizes", nargs="+", type=_clip_size, metavar="WxHxN", help="clips, as 832x480x81; default: 512x512x49"
    )
    for name in ("files", "cold"):
        subs[name].add_argument("folder", type=Path)
    subs["files"].add_argument("--float8", type=Path, metavar="NEW", help="also write it as `models convert` does")
    forget = subs["cold"].add_mutually_exclusive_group()
    forget.add_argument("--drop-caches", action="store_true", help="let the system forget all files first; needs root")
    forget.add_argument("--evict", action="store_true", help="let the system forget the model's files first")
    return parser


def _in_process(args: argparse.Namespace) -> int:
    """What runs here and not in processes of its own."""
    import torch

    from benchmarks.gpu.files import bench_files
    from benchmarks.gpu.gpus import bench_gpus
    from benchmarks.gpu.jobs import bench_memory, bench_profiles
    from benchmarks.gpu.sizes import RELEASED, TOY
    from benchmarks.gpu.takes import bench_takes
    from benchmarks.gpu.vae import bench_vae
    from ex4d.models.wan.attention import fastest_kernel

    sizes = TOY if args.toy else RELEASED
    if not args.toy and not torch.cuda.is_available():
        print("error: no CUDA device is found.\n       Run this on a machine with an NVIDIA GPU.", file=sys.stderr)
        return 20
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"{device}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}\n", flush=True)
    with fastest_kernel():
        match args.what:
            case "profiles":
                bench_profiles(args.profiles, sizes)
            case "gpus":
                bench_gpus(args.profiles, args.counts, sizes)
            case "takes":
                bench_takes(args.profiles, args.count, sizes)
                clips = [sizes.of_clip(text) for text in args.sizes] if args.sizes else [sizes]
                bench_gpus(args.profiles, args.counts, clips)
            case "memory":
                bench_memory(args.profiles, args.limits, sizes)
            case "files":
                bench_files(args.folder, args.float8, sizes)
            case _:
                bench_vae(sizes)
    return 0


def main() -> int:
    """Run the script; returns the exit code."""
    args = _parser().parse_args()
    if args.device:
        os.environ["EX4D_DEVICE"] = args.device
    if args.what != "cold":
        return _in_process(args)
    try:
        bench_cold(args.folder, args.profiles, toy=args.toy, drop=args.drop_caches, evicted=args.evict)
    except ColdError as error:
        print(f"error: {error.message}\n       {error.hint}", file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
