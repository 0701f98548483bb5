# SPDX-License-Identifier: Apache-2.0
"""Training in processes on the CPU as accelerate's launcher would start it on GPUs, one run after another.

    python -m torch.distributed.run --standalone --nproc-per-node 2 launched.py JOBS

JOBS is a JSON list of objects: "config", a file of accelerate, and either the fields of ``Run`` or "bench", the
arguments of benchmarks/bench_training.py, which PYTHONPATH must lead to. All share the processes, whose start takes
longer than a run.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.state import AcceleratorState, DistributedType, GradientState, PartialState
from accelerate.utils.launch import prepare_multi_gpu_env
from torch.distributed.tensor import DTensor

from ex4d.system.progress import Silent
from ex4d.training import loop, run
from ex4d.training.data import DatasetSettings
from ex4d.training.settings import TrainingSettings

PROCESSES = 2
#: What a process tells of how the model was spread, in a run's folder.
TOLD = "process-{}.json"


class ToldTrainer(loop.Trainer):
    """Writes how much of the model this process holds after training."""

    def train(self) -> None:
        super().train()
        parameters = list(self._adapted.parameters())
        spread = [parameter for parameter in parameters if isinstance(parameter, DTensor)]
        accelerator = self._accelerator
        told = {
            "spread": len(spread),
            "parameters": len(parameters),
            "held": sum(parameter.to_local().numel() for parameter in spread),
            "numbers": sum(parameter.numel() for parameter in parameters),
            "frozen": sorted({str(parameter.dtype) for parameter in parameters if not parameter.requires_grad}),
            "trained": sorted({str(parameter.dtype) for parameter in parameters if parameter.requires_grad}),
            "reshard_after_forward": accelerator.is_fsdp2 and accelerator.state.fsdp_plugin.reshard_after_forward,
        }
        (self._run / TOLD.format(accelerator.process_index)).write_text(json.dumps(told), encoding="utf-8")


@dataclass(frozen=True)
class Run:
    """A run of ``ex4d train``.

    Attributes:
        data, out, models: as ``TrainingRequest``.
        settings: fields of ``TrainingSettings``.
        dtype: of the frozen model: "float32", or "bfloat16" as on GPUs.
    """

    data: str
    out: str
    models: str
    settings: dict[str, Any]
    dtype: str = "float32"

    def run(self) -> None:
        """Train to the end."""
        settings = TrainingSettings(**self.settings)
        request = run.TrainingRequest(Path(self.data), Path(self.out), [Path(self.models)], DatasetSettings(), settings)
        with (
            mock.patch.object(run, "training_dtype", return_value=getattr(torch, self.dtype)),
            mock.patch.object(run, "Trainer", ToldTrainer),
        ):
            run.train(request, Silent())


def launch(config: Path) -> None:
    """Set the environment and accelerate's state as its launcher does with a file, but for the CPU.

    accelerate spreads models over GPUs alone, so it is told that this is such a run; all else is its own.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    for name in [name for name in os.environ if name.startswith(("ACCELERATE_", "FSDP_"))]:
        del os.environ[name]
    arguments = ["--config_file", str(config), "--num_processes", str(PROCESSES), "--main_process_port", "0", "-m", "x"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(arguments))
    environment = prepare_multi_gpu_env(args)
    os.environ |= {key: value for key, value in environment.items() if key.startswith(("ACCELERATE_", "FSDP_"))}
    PartialState(cpu=True)
    if args.use_fsdp:
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def bench(arguments: list[str]) -> None:
    """Run benchmarks/bench_training.py; the processes' group that it ends at its end is still needed."""
    from benchmarks import bench_training

    with (
        mock.patch.object(sys, "argv", ["bench_training.py", *arguments]),
        mock.patch.object(torch.distributed, "destroy_process_group"),
    ):
        assert bench_training.main() == 0


def main() -> None:
    """All jobs."""
    torch.set_num_threads(1)
    for job in json.loads(sys.argv[1]):
        launch(Path(job.pop("config")))
        if "bench" in job:
            bench(job["bench"])
        else:
            Run(**job).run()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
