# SPDX-License-Identifier: Apache-2.0
"""Training the adapter at toy size."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import launched
import numpy as np
import pytest
import tiny
import torch
from accelerate import init_empty_weights
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file

import ex4d
from ex4d.cli import main
from ex4d.fill.ex4d_wan.load import load_pipeline
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.media.movie import MovieWriter
from ex4d.models.wan.load import load_component
from ex4d.protocol.errors import BadInputError, ResourceError, UsageError
from ex4d.system.progress import Silent
from ex4d.training import configs, sharding
from ex4d.training.checkpoints import checkpoints, find_checkpoint
from ex4d.training.data import Dataset, DatasetSettings, find_videos, prepare
from ex4d.training.estimate import estimate
from ex4d.training.flow import LEVELS, TrainingSchedule
from ex4d.training.latents import LatentStore
from ex4d.training.logs import read_log
from ex4d.training.masking import MaskingParameters
from ex4d.training.model import RELEASED_TRANSFORMER, adapt, parameter_counts
from ex4d.training.optimizers import create_optimizer, learning_rate
from ex4d.training.order import Order, places
from ex4d.training.run import TrainingRequest, export_run, train
from ex4d.training.settings import TrainingSettings

#: Runs are compared with each other, and a process of its own has the same number of threads then.
THREADS = 1
SETTINGS = TrainingSettings(
    steps=12,
    learning_rate=3e-3,
    warmup=2,
    rank=tiny.RANK,
    alpha=float(tiny.RANK),
    channels=tiny.HIDDEN,
    held_out=0.3,
    checkpoint_every=3,
    validate_every=6,
    sample_every=0,
    sample_steps=2,
)


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    former = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(former)


@pytest.fixture(scope="session")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy Wan without an adapter."""
    folder = tiny.write_model(tmp_path_factory.mktemp("wan") / "models")
    (folder / "EX-4D" / "ex4d.ckpt").unlink()
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder: three videos, a clip of 5 frames at 32x32 each, two masks a clip."""
    folder = tmp_path_factory.mktemp("videos")
    for seed in range(3):
        noise = np.random.default_rng(seed).integers(30, 226, (16, 30, 3), dtype=np.uint8)
        large = cv2.resize(noise, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        with MovieWriter(folder / f"{seed}.mp4", width=32, height=32, fps=Fraction(24)) as movie:
            for index in range(5):
                movie.write(np.ascontiguousarray(large[8:40, 4 * index : 4 * index + 32]))
    settings = DatasetSettings(size=(32, 32), frames=5, variants=2, masking=MaskingParameters(policy="rendering"))
    out = tmp_path_factory.mktemp("data") / "data"
    prepare(find_videos(folder), out, settings, Silent(), 1)
    return out


@pytest.fixture(scope="session")
def store(wan: Path, data: Path) -> LatentStore:
    """The data's latents."""
    models, dataset = find_models([wan]), Dataset.open(data)
    made = LatentStore.of(dataset, models)
    cpu = torch.device("cpu")
    from ex4d.fill.ex4d_wan.quirks import NEGATIVE_PROMPT

    made.encode(models, dataset.windows, ["", NEGATIVE_PROMPT], cpu, torch.float32, Silent())
    return made


def backbone(wan: Path) -> Any:
    return load_component(find_models([wan]).part("transformer"), torch.float32, "cpu")


def request(wan: Path, data: Path, out: Path, settings: TrainingSettings = SETTINGS, **options: Any) -> TrainingRequest:
    return TrainingRequest(data, out, [wan], DatasetSettings(), settings, **options)


def losses(run: Path) -> dict[int, float]:
    return {line["step"]: line["train_loss"] for line in read_log(run) if "train_loss" in line}


# The model


def test_parameter_counts_at_the_released_sizes() -> None:
    with init_empty_weights(include_buffers=False):
        model = adapt(WanTransformer3DModel(**RELEASED_TRANSFORMER), TrainingSettings())
    counts = parameter_counts(model)
    assert counts["lora"] == 76_677_120
    assert counts["geometry"] == 23_109_632
    assert counts["frozen"] == 16_394_878_784
    assert sum(parameter.numel() for _, parameter in model.trainable()) == 99_786_752
    assert not any("add_k_proj" in name or "add_v_proj" in name for name, _ in model.trainable())


def test_a_new_adapter_changes_nothing(wan: Path, store: LatentStore) -> None:
    transformer = backbone(wan)
    batch = store.batch([(store.dataset.windows[0], 0)])
    moment = torch.tensor([500.0])
    with torch.no_grad():
        before = transformer(
            hidden_states=torch.cat([batch.clips, batch.condition], dim=1),
            timestep=moment,
            encoder_hidden_states=batch.prompt,
            encoder_hidden_states_image=batch.image,
            return_dict=False,
        )[0]
        model = adapt(transformer, SETTINGS)
        assert torch.equal(model.predict(batch.clips, moment, batch), before)
        for name, parameter in model.trainable():
            if "lora_B" in name or "latent_patch_embedding" in name:
                parameter.normal_(std=0.02)
        assert (model.predict(batch.clips, moment, batch) - before).norm() > 1e-3 * before.norm()


@pytest.mark.parametrize("checkpointing", [True, False])
def test_gradients_are_only_where_they_should_be(wan: Path, store: LatentStore, checkpointing: bool) -> None:
    model = adapt(backbone(wan), replace(SETTINGS, checkpointing=checkpointing))
    model.train()
    batch = store.batch([(store.dataset.windows[0], 0)])
    # Away from the start, where half of the gradients are zero.
    with torch.no_grad():
        for name, parameter in model.trainable():
            if "lora_B" in name or "latent_patch_embedding" in name:
                parameter.normal_(std=0.02)
    model.predict(batch.clips, torch.tensor([500.0]), batch).pow(2).mean().backward()
    trained = dict(model.trainable())
    assert len(trained) == 2 * 10 * tiny.LAYERS + 8
    for name, parameter in model.named_parameters():
        if name in trained:
            assert parameter.dtype == torch.float32
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 0, name
        else:
            assert parameter.grad is None
            assert not parameter.requires_grad


def test_checkpointing_changes_no_gradient(wan: Path, store: LatentStore) -> None:
    batch = store.batch([(store.dataset.windows[0], 0)])
    found = []
    for checkpointing in (True, False):
        model = adapt(backbone(wan), replace(SETTINGS, checkpointing=checkpointing))
        model.train()
        model.predict(batch.clips, torch.tensor([300.0]), batch).pow(2).mean().backward()
        found.append(model.geometry.latent_patch_embedding.weight.grad)
    torch.testing.assert_close(found[0], found[1])


# The loss


def test_noise_levels_and_their_weights() -> None:
    schedule = TrainingSchedule(5.0)
    assert schedule.sigmas[0] == 1
    middle = 0.5
    assert schedule.sigmas[500] == pytest.approx(5 * middle / (1 + 4 * middle))
    assert (schedule.sigmas.diff() < 0).all()
    torch.testing.assert_close(schedule.timesteps, 1000 * schedule.sigmas)
    assert schedule.weights.mean() == pytest.approx(1.0, abs=1e-5)
    assert schedule.weights.min() == 0
    # The bell's top is at timestep 500, and it is symmetric about it.
    assert abs(float(schedule.timesteps[schedule.weights.argmax()]) - 500) < 3
    assert schedule.weights[0] == pytest.approx(0.0, abs=1e-3)
    torch.testing.assert_close(TrainingSchedule(1.0).sigmas, torch.linspace(1, 0, 1001)[:-1])


def test_mixing_and_velocity_fit_the_sampler() -> None:
    schedule = TrainingSchedule(5.0)
    generator = torch.Generator().manual_seed(0)
    clips, noise = torch.randn((3, 4, 2, 2, 2), generator=generator), torch.randn((3, 4, 2, 2, 2), generator=generator)
    levels = torch.tensor([0, 400, 999])
    noisy, velocity = schedule.mix(clips, noise, levels)
    torch.testing.assert_close(noisy[0], noise[0])
    sigma = schedule.sigmas[levels].view(-1, 1, 1, 1, 1)
    # Going down the velocity to noise level 0 ends at the clip.
    torch.testing.assert_close(noisy - sigma * velocity, clips, atol=1e-5, rtol=1e-5)
    assert schedule.loss(velocity, velocity, levels) == 0
    off = velocity + 2
    expected = 4 * schedule.weights[levels].mean()
    assert schedule.loss(off, velocity, levels) == pytest.approx(float(expected))
    assert schedule.loss(off, velocity, levels, weighted=False) == pytest.approx(4.0)


def test_the_order_depends_on_seed_and_place_alone(data: Path) -> None:
    windows = Dataset.open(data).windows
    order = Order(windows, 2, 5)
    seen = [order[place] for place in range(12)]
    assert seen == [Order(windows, 2, 5)[place] for place in range(12)]
    for epoch in range(4):
        assert {window.name for window, _ in seen[3 * epoch : 3 * epoch + 3]} == {window.name for window in windows}
    assert {variant for _, variant in seen} == {0, 1}
    assert seen != [Order(windows, 2, 6)[place] for place in range(12)]
    assert torch.equal(order.noise(3, (2, 2)), Order(windows, 2, 5).noise(3, (2, 2)))
    levels = [order.level(place, LEVELS) for place in range(400)]
    assert 430 < np.mean(levels) < 570
    # Every place once, whatever the split over batches, devices and accumulated parts.
    for accumulate, world, batch in ((1, 1, 12), (2, 3, 2), (4, 1, 3)):
        found = [
            place
            for micro in range(accumulate)
            for rank in range(world)
            for place in places(1, accumulate, micro, world, rank, batch)
        ]
        assert sorted(found) == list(range(12, 24))


# Latents


def test_latents_are_what_the_pipeline_computes(wan: Path, store: LatentStore, model_folder: Path) -> None:
    from ex4d.training.data import read_masks, window_frames
    from ex4d.training.latents import as_tensor, masked
    from ex4d.training.masking import erode

    pipeline = load_pipeline(model_folder, dtype=torch.float32)
    window = store.dataset.windows[1]
    ((_, frames),) = window_frames([window], store.dataset.settings.size)
    video = as_tensor(frames)
    masks = read_masks(store.dataset.folder, window)[1]
    color, mask = masked(video, erode(masks, window.name, 1, store.dataset.settings.masking))
    assert set(mask.unique().tolist()) == {-1.0, 1.0}
    assert (color[:, :, (mask[0, 0] < 0)] == -1).all()
    batch = store.batch([(window, 1)])
    with torch.no_grad():
        expected = {
            "clips": pipeline.encode_video(video),
            "color": pipeline.encode_color_and_mask(color, mask)[0],
            "mask": pipeline.encode_color_and_mask(color, mask)[1],
            "condition": pipeline.encode_condition(color),
            "image": pipeline.encode_image(color),
        }
    for name, value in expected.items():
        torch.testing.assert_close(getattr(batch, name), value, atol=2e-2, rtol=2e-3)
    assert batch.prompt.shape == (1, 512, tiny.TEXT_DIM)


def test_latents_are_made_once(wan: Path, store: LatentStore) -> None:
    class Counting(Silent):
        of: int | None = None

        def begin(self, stage: str, of: int | None) -> None:
            self.of = of

    windows, counting = store.dataset.windows, Counting()
    store.file(windows[2]).write_bytes(b"cut off")
    store.encode(find_models([wan]), windows, [""], torch.device("cpu"), torch.float32, counting)
    assert counting.of == 1
    assert all(store.has(window) for window in windows)


# Runs


@pytest.fixture(scope="session")
def whole_run(wan: Path, data: Path, store: LatentStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to its end, with a sample video."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(request(wan, data, out, replace(SETTINGS, sample_every=12)), Silent())
    return out


def test_a_run_leaves_what_it_says(whole_run: Path) -> None:
    assert [checkpoint.step for checkpoint in checkpoints(whole_run)] == [6, 9, 12]
    found = losses(whole_run)
    assert sorted(found) == list(range(1, 13))
    assert all(math.isfinite(value) and value > 0 for value in found.values())
    validated = [line["step"] for line in read_log(whole_run) if "validation_loss" in line]
    assert validated == [6, 12]
    sample = whole_run / "samples" / "step-000012.mp4"
    capture = cv2.VideoCapture(str(sample))
    assert (capture.get(3), capture.get(4), capture.get(7)) == (3 * 32, 32, 5)
    assert not list(whole_run.rglob(".tmp-*"))


def test_figures_are_in_tensorboard_too(whole_run: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole_run / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, 13))
    assert [event.step for event in events.Scalars("validation/loss")] == [6, 12]


def test_the_loss_falls(wan: Path, data: Path, store: LatentStore, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=24, learning_rate=1e-2, batch=2, checkpoint_every=24, validate_every=0)
    train(request(wan, data, tmp_path / "run", settings), Silent())
    found = losses(tmp_path / "run")
    first, last = np.mean([found[step] for step in range(1, 9)]), np.mean([found[step] for step in range(17, 25)])
    assert last < 0.8 * first


def environment() -> dict[str, str]:
    """Of a process with this package, the benchmarks, and as many threads."""
    folders = (Path(ex4d.__file__).parents[1], Path(__file__).parents[2])
    paths = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(THREADS)}


def command(*args: object, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    started = [sys.executable, *before, "-m", "ex4d", *map(str, args)]
    return subprocess.Popen(started, env=environment(), stderr=subprocess.DEVNULL)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    wan: Path, data: Path, whole_run: Path, tmp_path: Path
) -> None:
    options = ["--steps", "12", "--learning-rate", "3e-3", "--warmup", "2", "--rank", tiny.RANK, "--alpha", tiny.RANK]
    options += [
        "--channels",
        tiny.HIDDEN,
        "--held-out",
        "0.3",
        "--checkpoint-every",
        "3",
        "--validate-every",
        "6",
        "--sample-every",
        "0",
    ]
    out, stop = tmp_path / "run", random.randint(4, 10)
    process = command("train", "--data", data, "--out", out, "--models", wan, *options)
    deadline = time.monotonic() + 120
    while len(losses(out)) < stop:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    reached = find_checkpoint(out).step
    assert reached < 12
    train(request(wan, data, out), Silent())
    expected, found = losses(whole_run), losses(out)
    assert sorted(found) == sorted(expected)
    for step, value in expected.items():
        assert found[step] == pytest.approx(value, rel=1e-5), (step, reached)
    whole, resumed = find_checkpoint(whole_run).adapter(), find_checkpoint(out).adapter()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=1e-6, rtol=1e-4)
    assert [checkpoint.step for checkpoint in checkpoints(out)] == [6, 9, 12]
    assert not list(out.rglob(".tmp-*"))


def test_accumulated_steps_are_larger_batches(wan: Path, data: Path, store: LatentStore, tmp_path: Path) -> None:
    base = replace(SETTINGS, steps=2, checkpoint_every=2, validate_every=0, clip_norm=0.0)
    for name, settings in (
        ("batch", replace(base, batch=4)),
        ("parts", replace(base, batch=2, accumulate=2)),
    ):
        train(request(wan, data, tmp_path / name, settings), Silent())
    one, other = losses(tmp_path / "batch"), losses(tmp_path / "parts")
    assert one == pytest.approx(other, rel=1e-5)
    first, second = (find_checkpoint(tmp_path / name).adapter() for name in ("batch", "parts"))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=5e-4, rtol=1e-3)


def test_two_processes_are_one_with_larger_batches(wan: Path, data: Path, store: LatentStore, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=4, batch=2, checkpoint_every=4, validate_every=0)
    train(request(wan, data, tmp_path / "one", settings), Silent())
    options = ["--steps", "4", "--learning-rate", "3e-3", "--warmup", "2", "--rank", tiny.RANK, "--alpha", tiny.RANK]
    options += ["--channels", tiny.HIDDEN, "--held-out", "0.3", "--checkpoint-every", "4", "--sample-every", "0"]
    # accelerate's own launcher starts several processes on GPUs only.
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    out = tmp_path / "two"
    process = command(
        "train", "--data", data, "--out", out, "--models", wan, *options, "--validate-every", "0", before=launch
    )
    assert process.wait(timeout=180) == 0
    found, expected = losses(out), losses(tmp_path / "one")
    assert sorted(found) == [1, 2, 3, 4]
    assert found == pytest.approx(expected, rel=1e-5)
    one, two = find_checkpoint(tmp_path / "one").adapter(), find_checkpoint(out).adapter()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=5e-4, rtol=1e-3)


def test_a_run_goes_on_with_its_own_settings_only(wan: Path, data: Path, whole_run: Path, tmp_path: Path) -> None:
    longer = replace(SETTINGS, steps=13, sample_every=0)
    with pytest.raises(UsageError, match=r"--learning-rate 0\.003, not 0\.001"):
        train(request(wan, data, whole_run, replace(longer, learning_rate=1e-3)), Silent())
    other = tmp_path / "other"
    settings = DatasetSettings(size=(32, 32), frames=5, variants=1, masking=MaskingParameters(policy="tracking"))
    videos = sorted({window.path for window in Dataset.open(data).windows})
    prepare(find_videos(videos[0].parent), other, settings, Silent(), 1)
    with pytest.raises(UsageError, match="other data"):
        train(request(wan, other, whole_run, longer), Silent())


def test_the_running_mean_is_what_is_exported(wan: Path, data: Path, store: LatentStore, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=3, ema=0.5, validate_every=0)
    train(request(wan, data, tmp_path / "run", settings), Silent())
    checkpoint = find_checkpoint(tmp_path / "run")
    mean, last = checkpoint.ema(), checkpoint.adapter()
    assert mean is not None
    name = "geometry.latent_patch_embedding.weight"
    assert 0 < mean[name].norm() < last[name].norm()
    released = torch.load(tmp_path / "run" / "export" / "released" / "ex4d.ckpt", weights_only=True)
    torch.testing.assert_close(released["latent_patch_embedding.weight"], mean[name])


# Models that are spread over devices


CONFIGS = {path.stem: path for path in configs.paths()}
#: Of two processes: four clips a step, in two parts of a clip a process. Gradients are clipped in every step.
SPREAD = replace(SETTINGS, steps=4, accumulate=2, clip_norm=0.02, ema=0.5, checkpoint_every=2, validate_every=2)


@pytest.fixture(scope="session")
def spread_runs(wan: Path, data: Path, store: LatentStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two processes by accelerate's files, and what benchmarks/bench_training.py prints, in bench.txt."""
    root = tmp_path_factory.mktemp("spread")

    def job(config: str, out: str, dtype: str, **changes: int) -> dict[str, Any]:
        settings = replace(SPREAD, **changes).record()
        told = launched.Run(str(data), str(root / out), str(wan), settings, dtype)
        return {"config": str(CONFIGS[config]), **vars(told)}

    jobs = [job("zero3", "zero3-float32", "float32")]
    for config in ("several_gpus", "zero2", "zero3"):
        jobs.append(job(config, f"{config}-bfloat16", "bfloat16", sample_every=4))
    # Stopped half-way and gone on with, as they were begun and differently.
    jobs += [job("zero3", "resumed", "bfloat16", steps=2), job("zero3", "resumed", "bfloat16")]
    jobs += [job("zero2", "moved", "float32", steps=2), job("several_gpus", "moved", "float32")]
    for config in ("several_gpus", "zero2", "zero3"):
        bench = ["--toy", "--steps", "2", "--size", "32x32", "--frames", "5"]
        jobs.append({"config": str(CONFIGS[config]), "bench": bench})
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launch += ["--nproc-per-node", str(launched.PROCESSES), launched.__file__, json.dumps(jobs)]
    done = subprocess.run(launch, env=environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    (root / "bench.txt").write_text(done.stdout, encoding="utf-8")
    return root


def validation_losses(run: Path) -> dict[int, float]:
    return {line["step"]: line["validation_loss"] for line in read_log(run) if "validation_loss" in line}


def exported(run: Path) -> dict[str, torch.Tensor]:
    """All tensors of an export, by file and name."""
    files = sorted((run / "export").rglob("*.safetensors"))
    tensors = {f"{path.name} {name}": value for path in files for name, value in load_file(path).items()}
    assert len(files) == 2
    return tensors | torch.load(run / "export" / "released" / "ex4d.ckpt", weights_only=True)


def assert_same_training(run: Path, other: Path, *, atol: float, rel: float) -> None:
    """Losses, checkpoints with mean and optimizer, exports; those of AdamW's second mean are squares."""
    assert losses(run) == pytest.approx(losses(other), rel=rel)
    assert validation_losses(run) == pytest.approx(validation_losses(other), rel=rel)
    one, two = find_checkpoint(other), find_checkpoint(run)
    assert [checkpoint.step for checkpoint in checkpoints(run)] == [2, 4]
    for expected, found in ((one.adapter(), two.adapter()), (one.ema(), two.ema()), (exported(other), exported(run))):
        assert set(found) == set(expected)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=atol, rtol=rel, msg=name)
    expected, found = one.optimizer(), two.optimizer()
    assert found["param_groups"] == expected["param_groups"]
    assert set(found["state"]) == set(expected["state"])
    for index, state in expected["state"].items():
        for name, value in state.items():
            torch.testing.assert_close(found["state"][index][name], value, atol=1e-6, rtol=1e-3)


def assert_spread(run: Path, *, reshard: bool, frozen: list[str]) -> None:
    """Each process held its part of every parameter, in the dtypes of one device."""
    told = [json.loads((run / launched.TOLD.format(rank)).read_text()) for rank in range(launched.PROCESSES)]
    assert sum(process["held"] for process in told) == told[0]["numbers"]
    for process in told:
        assert process["spread"] == process["parameters"]
        assert process["held"] < 0.55 * process["numbers"]
        assert process["reshard_after_forward"] is reshard
        assert (process["frozen"], process["trained"]) == (frozen, ["torch.float32"])


def test_a_spread_run_is_that_of_one_device(wan: Path, data: Path, spread_runs: Path, tmp_path: Path) -> None:
    train(request(wan, data, tmp_path / "one", replace(SPREAD, batch=4, accumulate=1)), Silent())
    assert_spread(spread_runs / "zero3-float32", reshard=True, frozen=["torch.float32"])
    assert_same_training(spread_runs / "zero3-float32", tmp_path / "one", atol=1e-4, rel=1e-5)


@pytest.mark.parametrize("config", ["zero2", "zero3"])
def test_a_spread_model_in_bfloat16_is_as_exact_as_copies(spread_runs: Path, config: str) -> None:
    run, copies = spread_runs / f"{config}-bfloat16", spread_runs / "several_gpus-bfloat16"
    assert_spread(run, reshard=config == "zero3", frozen=["torch.bfloat16", "torch.float32"])
    assert_same_training(run, copies, atol=1e-5, rel=1e-5)
    sample = Path("samples") / "step-000004.mp4"
    assert (run / sample).read_bytes() == (copies / sample).read_bytes()


def test_spread_runs_go_on(spread_runs: Path) -> None:
    assert_same_training(spread_runs / "resumed", spread_runs / "zero3-bfloat16", atol=1e-6, rel=1e-6)
    assert_same_training(spread_runs / "moved", spread_runs / "zero3-float32", atol=1e-4, rel=1e-5)


def test_the_benchmark_of_several_devices(spread_runs: Path) -> None:
    lines = (spread_runs / "bench.txt").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{") and "seconds_per_step" in line]
    assert [row["spreading"] for row in rows] == ["copies", "FSDP 2, zero2", "FSDP 2, zero3"]
    assert all(row["devices"] == 2 and len(row["peak_gib"]) == 2 and row["seconds_per_step"] > 0 for row in rows)
    assert sum("correct: gradients of 48 tensors" in line for line in lines) == 3
    assert sum("correct: the adapter and its optimizer" in line for line in lines) == 3
    first = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("step 0:")]
    assert first == pytest.approx([first[0]] * 3, abs=2e-4)


def test_what_cannot_be_spread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATE_USE_FSDP", raising=False)
    assert sharding.sharding_plugin(SETTINGS) is None
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(UsageError, match="first version of FSDP"):
        sharding.sharding_plugin(SETTINGS)
    monkeypatch.setenv("FSDP_VERSION", "2")
    with pytest.raises(UsageError, match="8-bit optimizer"):
        sharding.sharding_plugin(replace(SETTINGS, eight_bit=True))
    monkeypatch.setattr(sharding, "is_torch_version", lambda relation, version: relation == "<")
    with pytest.raises(ResourceError, match=r"torch before 2\.8"):
        sharding.sharding_plugin(SETTINGS)


# Export


def test_exports_load_and_do_what_was_trained(wan: Path, whole_run: Path, store: LatentStore) -> None:
    from ex4d.fill.ex4d_wan.geometry import geometry_added
    from ex4d.training.export import adapter_of

    checkpoint = find_checkpoint(whole_run)
    model = adapt(backbone(wan), SETTINGS)
    lora, geometry = adapter_of(checkpoint.adapter(), checkpoint.state()["settings"])
    model.load_lora(lora)
    model.geometry.load_state_dict(geometry.state_dict())
    batch, moment = store.batch([(store.dataset.windows[0], 0)]), torch.tensor([400.0])
    with torch.no_grad():
        expected = model.predict(batch.clips, moment, batch)
        plain = adapt(backbone(wan), SETTINGS).predict(batch.clips, moment, batch)
        assert (expected - plain).norm() > 1e-3 * plain.norm()
        for place in ("released", "adapter"):
            pipeline = load_pipeline([wan, whole_run / "export" / place], dtype=torch.float32)
            with geometry_added(pipeline.transformer, pipeline.geometry_encoder(batch.color, batch.mask)):
                found = pipeline.predict_velocity(batch.clips, moment, batch.condition, batch.prompt, batch.image)
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    released = torch.load(whole_run / "export" / "released" / "ex4d.ckpt", weights_only=True)
    assert set(released) == set(tiny.adapter())
    assert {name: value.shape for name, value in released.items()} == {
        name: value.shape for name, value in tiny.adapter().items()
    }


def test_another_alpha_is_multiplied_in(wan: Path, data: Path, store: LatentStore, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=2, alpha=2.0 * tiny.RANK, validate_every=0)
    train(request(wan, data, tmp_path / "run", settings), Silent())
    trained = find_checkpoint(tmp_path / "run").adapter()
    released = torch.load(tmp_path / "run" / "export" / "released" / "ex4d.ckpt", weights_only=True)
    ours = trained["transformer.blocks.0.attn1.to_q.lora_B.default.weight"]
    torch.testing.assert_close(released["blocks.0.self_attn.q.lora_B.default.weight"], 2 * ours)
    lora = load_pipeline([wan, tmp_path / "run" / "export" / "released"], dtype=torch.float32)
    peft = load_pipeline([wan, tmp_path / "run" / "export" / "adapter"], dtype=torch.float32)
    torch.testing.assert_close(
        lora.transformer.blocks[1].ffn.net[2].weight, peft.transformer.blocks[1].ffn.net[2].weight
    )


def test_a_run_begins_with_an_adapter(wan: Path, data: Path, whole_run: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=1, learning_rate=1e-9, checkpoint_every=1, validate_every=0)
    start = whole_run / "export" / "adapter"
    train(request(wan, data, tmp_path / "run", settings, start=start), Silent())
    before, after = find_checkpoint(whole_run).adapter(), find_checkpoint(tmp_path / "run").adapter()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=1e-4)
    with pytest.raises(BadInputError, match=f"rank {tiny.RANK}, this run of 2"):
        train(request(wan, data, tmp_path / "other", replace(settings, rank=2), start=start), Silent())


def test_exporting_an_older_checkpoint(whole_run: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(whole_run, tmp_path / "run"))
    path, _ = export_run(copy, 6)
    older = find_checkpoint(copy, 6).adapter()["geometry.latent_patch_embedding.bias"]
    assert torch.equal(torch.load(path, weights_only=True)["latent_patch_embedding.bias"], older)
    with pytest.raises(BadInputError, match=r"no whole checkpoint of step 7") as failure:
        export_run(copy, 7)
    assert "6, 9, 12" in failure.value.hint
    (find_checkpoint(copy, 12).folder / "optimizer.pt").unlink()
    assert find_checkpoint(copy).step == 9


# Command, settings, estimates


def test_a_dry_run(wan: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--held-out", "0.3", "--dry-run"]
    assert main(["train", "--data", str(data), "--models", str(wan), *options]) == 0
    text = capsys.readouterr().out
    assert "clips       2 to train on, 1 held out" in text
    assert "sizes are the model's that was found" in text
    videos = str(Dataset.open(data).windows[0].path.parent)
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = ["train", "--data", videos, "--models", str(empty), "--frames", "5", "--workers", "1", *options]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "99,786,752 trained (76,677,120 LoRA + 23,109,632 geometry encoder)" in text
    assert "the released 14B model's" in text
    assert sorted(tmp_path.iterdir()) == [empty]


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"rank": 0}, {"learning_rate": 0.0}, {"ema": 1.0}, {"held_out": -0.1}, {"warmup": -1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--" + next(iter(wrong)).replace("_", "-")):
        TrainingSettings(**wrong)


def test_the_learning_rate_rises_and_stays() -> None:
    settings = TrainingSettings(warmup=4, learning_rate=1.0)
    assert [learning_rate(step, settings) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert learning_rate(0, replace(settings, warmup=0)) == 1.0


def test_eight_bits_need_bitsandbytes() -> None:
    with pytest.raises(ResourceError, match="bitsandbytes"):
        create_optimizer([torch.nn.Parameter(torch.zeros(1))], replace(SETTINGS, eight_bit=True))


def saved_bytes(run: Callable[[], torch.Tensor], parameters: set[int]) -> int:
    """Bytes that a computation keeps for its backward pass, parameters aside."""
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = run()
        total = sum(seen.values())
    assert kept.requires_grad
    return total


def test_the_estimate_of_activations_is_of_the_right_size() -> None:
    """Against what torch keeps of a block of the released proportions."""
    config = {**RELEASED_TRANSFORMER, "num_attention_heads": 4, "attention_head_dim": 64, "ffn_dim": 691}
    config |= {"num_layers": 2, "added_kv_proj_dim": 256, "text_dim": 32, "image_dim": 32}
    settings = TrainingSettings(checkpointing=False)
    model = adapt(WanTransformer3DModel(**config).to(torch.bfloat16), settings)
    for layer in model.lora_layers().values():
        layer.cast_input_dtype_enabled = False
    model.train()
    shape = (1, 16, 3, 32, 32)
    args = [torch.randn(shape), torch.tensor([500.0]), torch.randn(1, 20, *shape[2:]), torch.randn(shape)]
    args += [torch.randn(shape), torch.randn(1, 512, 32), torch.randn(1, 257, 32)]
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def run() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(*args)

    kept = saved_bytes(run, parameters)
    counts = parameter_counts(model)
    guess = estimate(model.transformer.config, counts, (256, 256), 9, settings, torch.device("cpu"))
    assert guess.activations * 2**30 == pytest.approx(kept, rel=0.15)
