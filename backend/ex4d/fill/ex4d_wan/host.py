# SPDX-License-Identifier: Apache-2.0
"""The model in a process that does one job after the other: loads what a job needs, lays it out on the GPU, keeps it
for the next job."""

from __future__ import annotations

import gc
import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from ex4d.fill.ex4d_wan.clip import Clip, token_count
from ex4d.fill.ex4d_wan.conditioning import TAKES
from ex4d.fill.ex4d_wan.model_files import check_quantized, find_models
from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline, initial_noise
from ex4d.fill.ex4d_wan.profiles import Plan, Profile, profile_plans
from ex4d.fill.ex4d_wan.quirks import first_frame
from ex4d.fill.ex4d_wan.weights import check_fit, load_adapter
from ex4d.models.interrupt import interruptible
from ex4d.models.locations import fingerprint, lora_fingerprint, models_fingerprint
from ex4d.models.memory_plan import MemoryPlan, choose_memory_plan
from ex4d.models.model_files import ModelFiles
from ex4d.models.offload import Parked, StreamedBlocks
from ex4d.models.torch_device import pick_device
from ex4d.models.wan.attention import fastest_kernel
from ex4d.models.wan.block import use_fast_blocks
from ex4d.models.wan.feedforward import use_fused_gelu
from ex4d.models.wan.fp8 import has_fp8
from ex4d.models.wan.guidance import HeldGuidance
from ex4d.models.wan.image import encode_image
from ex4d.models.wan.load import Layout, load_component, load_tokenizer
from ex4d.models.wan.lora import load_lora
from ex4d.models.wan.prompts import cached_embeddings
from ex4d.models.wan.sampler import create_scheduler
from ex4d.models.wan.sizes import TEXT_LENGTH
from ex4d.models.wan.text import count_tokens, encode_prompt
from ex4d.models.wan.vae import use_fast_vae
from ex4d.protocol.errors import ResourceError
from ex4d.system.progress import Progress

log = logging.getLogger(__name__)

#: Parameters up to which the transformer runs on a CPU in this life.
_CPU_PARAMETERS = 1e9
#: Steps between two looks at what is being made.
LOOK_STEPS = 4
#: GiB that the text encoder takes on the GPU; with less it runs on the CPU.
_TEXT_GIB = 13.0


@dataclass(frozen=True)
class Request:
    """One generation.

    Attributes:
        places: folders or files with the model.
        profile: how.
        prompt, negative_prompt: what the model is told.
        seed: of the noise.
        lora: file of a LoRA that distils steps.
        fp8: whether the transformer's linear layers are in 8 bits, as ``ModelHost.plan`` found; None = as the profile
            says.
    """

    places: tuple[Path, ...]
    profile: Profile
    prompt: str
    negative_prompt: str
    seed: int
    lora: Path | None = None
    fp8: bool | None = None

    @property
    def in_8_bits(self) -> bool:
        """Whether the transformer's linear layers are."""
        return self.profile.fp8 if self.fp8 is None else self.fp8


def free_gib(device: torch.device) -> float:
    """Memory that this process could use on a device, what it holds already included."""
    if device.type != "cuda":
        return _free_ram_gib()
    free, _ = torch.cuda.mem_get_info(device)
    return (free + torch.cuda.memory_reserved(device)) / 2**30


def _free_ram_gib() -> float:
    # What the system would give, its cache of files included, which reading the model fills.
    return float(psutil.virtual_memory().available) / 2**30


def transformer_parameters(models: ModelFiles) -> float:
    """Of the transformer in those files."""
    return float(models.part("transformer").parameters)


def text_fingerprint(models: ModelFiles) -> str:
    """A hash of the text encoder and its tokenizer, under which embeddings of prompts are kept."""
    files = [file.path for file in models.part("text").tensors.files]
    if models.tokenizer is not None:
        files += sorted(path for path in models.tokenizer.iterdir() if path.is_file())
    return hashlib.sha256("".join(fingerprint(path) for path in files).encode()).hexdigest()


def _check_profile(models: ModelFiles, profile: Profile) -> None:
    """Raise BadInputError where the transformer is in 8 bits, with the adapter fused, and the profile wants it in 16,
    or wants to fuse another LoRA before it is quantized."""
    if profile.distilled or not profile.fp8:
        models.check_not_quantized(f"the profile «{profile.name}»")
    check_quantized(models)


@dataclass
class _Loaded:
    """The transformer's side of the pipeline, as it is laid out."""

    key: tuple[Any, ...]
    fit: MemoryPlan
    pipeline: EX4DPipeline
    parked: Parked | None = None
    streamed: StreamedBlocks | None = None


@dataclass
class ModelHost:
    """See the module. Not for several threads."""

    _loaded: _Loaded | None = None
    _models: tuple[str, ModelFiles] | None = None

    # Before ------------------------------------------------------------------------------------------------------

    def plan(self, places: Sequence[Path], profile: Profile, size: tuple[int, int] | None, count: int | None) -> Plan:
        """Where and how the model would run; reads no weights.

        Raises:
            BadInputError: parts of the model are missing or damaged, or the profile cannot use them.
            ResourceError: there is too little memory, or no GPU.
        """
        models = self._find(places)
        _check_profile(models, profile)
        for role in ("transformer", "vae", "text", "image"):
            models.part(role)
        models.part("geometry" if models.quantized or "geometry" in models.parts else "adapter")
        device = pick_device()
        fit = self._choose(
            models,
            profile,
            size or (TAKES.size.trained_side, TAKES.size.trained_side),
            count or TAKES.frames.trained,
            device,
        )
        text = f"{_device_name(device)}: {fit.describe()}" if device.type == "cuda" else "on the CPU"
        return Plan(device.type, fit.fp8, has_fp8(device), text)

    def _find(self, places: Sequence[Path]) -> ModelFiles:
        key = models_fingerprint(places)
        if self._models is None or self._models[0] != key:
            self._models = (key, find_models(places))
        return self._models[1]

    @staticmethod
    def _candidates(
        models: ModelFiles, profile: Profile, size: tuple[int, int], frames: int, fp8: bool | None
    ) -> list[MemoryPlan]:
        """All layouts, or those with weights of so many bits."""
        found = profile_plans(
            profile, token_count(size, frames), size[0] * size[1] / 1e6, transformer_parameters(models)
        )
        return [fit for fit in found if fp8 in (None, fit.fp8)]

    def _choose(
        self,
        models: ModelFiles,
        profile: Profile,
        size: tuple[int, int],
        frames: int,
        device: torch.device,
        fp8: bool | None = None,
    ) -> MemoryPlan:
        candidates = self._candidates(models, profile, size, frames, fp8)
        if device.type == "cpu":
            if transformer_parameters(models) > _CPU_PARAMETERS:
                raise ResourceError(
                    "The EX-4D model needs an NVIDIA GPU, and none is found.",
                    "Install its driver and a torch with CUDA, or use --fill preview; `ex4d doctor` tells more.",
                )
            return MemoryPlan("resident", profile.fp8 if fp8 is None else fp8, 0.0)
        parked = self._loaded.fit.ram_gib if self._loaded is not None else 0.0
        return choose_memory_plan(candidates, free_gib(device), _free_ram_gib() + parked)

    # A job -------------------------------------------------------------------------------------------------------

    def run(
        self, request: Request, clip: Clip, progress: Progress
    ) -> tuple[Iterator[NDArray[np.float32]], tuple[str, ...]]:
        """Generate a clip.

        Returns:
            The pictures (h, w, 3) in [0, 1], one for each of the clip's ``numbers``, decoded as they are taken; and
            sentences for the report.

        Raises:
            BadInputError, ResourceError: as ``check``; or memory did not last, also not with the next smaller layout.
        """
        models = self._find(request.places)
        _check_profile(models, request.profile)
        device = pick_device()
        frames, height, width = clip.visible.shape
        # Of the planned precision alone: another one would be another result.
        fit = self._choose(models, request.profile, (width, height), frames, device, request.in_8_bits)
        try:
            return self._run(request, clip, progress, models, device, fit)
        except torch.OutOfMemoryError as error:
            smaller = self._smaller(models, request.profile, (width, height), frames, fit)
            used = torch.cuda.max_memory_allocated(device) / 2**30
            self.unload()
            if smaller is None:
                raise self._out_of_memory(used, device) from error
            progress.note(f"{used:.1f} GiB of GPU memory were not enough; going on with less: {smaller.describe()}.")
        # Only now is the failed run's own memory free: the error held on to it.
        _collect(device)
        try:
            return self._run(request, clip, progress, models, device, smaller)
        except torch.OutOfMemoryError as error:
            used = torch.cuda.max_memory_allocated(device) / 2**30
            self.unload()
            raise self._out_of_memory(used, device) from error

    def _smaller(
        self, models: ModelFiles, profile: Profile, size: tuple[int, int], frames: int, fit: MemoryPlan
    ) -> MemoryPlan | None:
        candidates = self._candidates(models, profile, size, frames, fit.fp8)
        return next((candidate for candidate in candidates if candidate.gib < fit.gib - 0.5), None)

    def _out_of_memory(self, used: float, device: torch.device) -> ResourceError:
        total = torch.cuda.get_device_properties(device).total_memory / 2**30
        return ResourceError(
            f"The GPU's memory ran out: {used:.1f} of {total:.1f} GiB were in use by the model.",
            "Close other programs that use the GPU, or choose --fill fast, a smaller --fill-size or fewer frames.",
        )

    @torch.no_grad()
    def _run(
        self,
        request: Request,
        clip: Clip,
        progress: Progress,
        models: ModelFiles,
        device: torch.device,
        fit: MemoryPlan,
    ) -> tuple[Iterator[NDArray[np.float32]], tuple[str, ...]]:
        profile, started = request.profile, time.monotonic()
        notes = []
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            notes.append(f"{_device_name(device)}: {fit.describe()}.")
        color, mask = clip_tensors(clip)
        progress.begin("prompt", None)
        prompts = [request.prompt, *([request.negative_prompt] if profile.guidance != 1 else [])]
        contexts, prompt_notes = self._embed_prompts(models, prompts, device, progress)
        image = self._embed_image(models, color, device, progress)
        progress.end()
        progress.begin("load", None)
        loaded = self._load(models, profile, fit, request.lora, device, progress)
        pipeline = loaded.pipeline
        progress.end()
        progress.begin("encode", None)
        self._leave(loaded)
        color, mask = color.to(device), mask.to(device)
        with interruptible(pipeline.vae, progress.check):
            geometry = pipeline.encode_geometry(color, mask)
            progress.advance()
            condition = pipeline.encode_condition(color)
        noise = initial_noise(condition.shape, torch.Generator().manual_seed(request.seed))
        progress.end()
        progress.begin("denoise", profile.steps)
        self._come(loaded)
        stops = interruptible(pipeline.transformer, progress.check)
        with stops, fastest_kernel() if device.type == "cuda" else nullcontext():
            latents = pipeline.denoise(
                noise,
                geometry,
                condition,
                contexts,
                image,
                profile.steps,
                profile.guidance,
                lambda pipeline, index, _moment, tensors: _step_done(pipeline, index, tensors["x0"], progress),
                HeldGuidance() if profile.holds_guidance else None,
            )
        if not bool(torch.isfinite(latents).all()):
            raise ResourceError(
                "The model's numbers overflowed.", "Use the profile exact; if that overflows too, report it."
            )
        progress.end()
        progress.begin("decode", len(clip.numbers))
        self._leave(loaded)
        log.info("denoised after %.1f s", time.monotonic() - started)
        return self._pictures(pipeline, latents, clip, progress), (*prompt_notes, *notes)

    def _pictures(
        self, pipeline: EX4DPipeline, latents: torch.Tensor, clip: Clip, progress: Progress
    ) -> Iterator[NDArray[np.float32]]:
        """The clip's pictures, each decoded when it is asked for. Where memory runs out the transformer goes, and the
        decoding begins anew after the pictures that were there already."""
        made, device = 0, latents.device
        for attempt in ("beside the transformer", "alone"):
            try:
                for picture in islice(_decoded(pipeline, latents), clip.lead + made, clip.lead + len(clip.numbers)):
                    yield picture
                    made += 1
                    progress.advance()
            except torch.OutOfMemoryError as error:
                used = torch.cuda.max_memory_allocated(device) / 2**30
                self.unload()
                pipeline.transformer = None
                _collect(device)
                if attempt == "alone":
                    raise self._out_of_memory(used, device) from error
                progress.note(f"{used:.1f} GiB of GPU memory were not enough to decode; the transformer made room.")
            else:
                return

    # Conditions --------------------------------------------------------------------------------------------------

    def _embed_prompts(
        self, models: ModelFiles, prompts: Sequence[str], device: torch.device, progress: Progress
    ) -> tuple[list[torch.Tensor], list[str]]:
        notes: list[str] = []
        part = models.part("text")

        def compute(missing: Sequence[str]) -> list[torch.Tensor]:
            models.check_tokenizer()
            assert models.tokenizer is not None
            tokenizer = load_tokenizer(models.tokenizer)
            for prompt in missing:
                if (count := count_tokens(tokenizer, prompt)) > TEXT_LENGTH:
                    notes.append(f"The prompt has {count} tokens; the model reads {TEXT_LENGTH}, the rest was cut off.")
            if device.type == "cuda" and part.gib > 1 and free_gib(device) - _held_gib(device) < _TEXT_GIB:
                # A warm model is in the way.
                self.unload()
            large = part.gib < 1 or free_gib(device) > _TEXT_GIB
            where = device if large else torch.device("cpu")
            dtype = torch.bfloat16 if where.type == "cuda" or part.gib > 1 else torch.float32
            text: Any = load_component(part, dtype, where, loaded=progress.advance)
            with interruptible(text, progress.check):
                embeds = [encode_prompt(tokenizer, text, prompt).cpu() for prompt in missing]
            del text
            _collect(device)
            return embeds

        return cached_embeddings(prompts, text_fingerprint(models), compute), notes

    def _embed_image(
        self, models: ModelFiles, color: torch.Tensor, device: torch.device, progress: Progress
    ) -> torch.Tensor:
        # Small enough to fit beside anything; its answer is another for each clip.
        part = models.part("image")
        encoder: Any = load_component(part, _dtype(device), device, loaded=progress.advance)
        embeds = encode_image(encoder, first_frame(color.to(device)))
        del encoder
        _collect(device)
        return embeds

    # Layout ------------------------------------------------------------------------------------------------------

    def _load(
        self,
        models: ModelFiles,
        profile: Profile,
        fit: MemoryPlan,
        lora_path: Path | None,
        device: torch.device,
        progress: Progress,
    ) -> _Loaded:
        extra = lora_path if profile.distilled else None
        assert self._models is not None
        key = (self._models[0], fit.name, fit.fp8, extra and lora_fingerprint(extra), profile.shift, str(device))
        if self._loaded is not None and self._loaded.key == key:
            return self._loaded
        self.unload()
        dtype = _dtype(device)
        adapter, geometry = load_adapter(models, dtype, device)
        loras = (*(() if adapter is None else (adapter,)), *((load_lora(extra),) if extra is not None else ()))
        parks = fit.name != "resident"
        layout = Layout(
            fp8=fit.fp8,
            multiply=has_fp8(device),
            store=(lambda name: torch.device("cpu") if name.startswith("blocks.") else device) if parks else None,
        )
        ticks = progress.advance
        transformer: Any = load_component(models.part("transformer"), dtype, device, loras, layout, loaded=ticks)
        vae: Any = load_component(models.part("vae"), dtype, device, loaded=ticks)
        check_fit(transformer, vae, geometry, adapter)
        pipeline = EX4DPipeline(transformer, vae, geometry, create_scheduler(profile.shift))
        loaded = _Loaded(key, fit, pipeline)
        if device.type == "cuda":
            # Where blocks come and go memory is short, and copying them hides the few projections.
            use_fast_blocks(transformer, keep_context=fit.name == "resident")
            use_fused_gelu(transformer)
            use_fast_vae(vae)
        if fit.name == "swapped":
            loaded.parked = Parked(transformer.blocks, device)
        elif fit.name == "streamed":
            loaded.streamed = StreamedBlocks(list(transformer.blocks), device)
        self._loaded = loaded
        _collect(device)
        return loaded

    @staticmethod
    def _come(loaded: _Loaded) -> None:
        if loaded.parked is not None:
            _collect(loaded.pipeline.transformer_device)
            loaded.parked.come()

    @staticmethod
    def _leave(loaded: _Loaded) -> None:
        if loaded.parked is not None:
            loaded.parked.leave()
            _collect(loaded.pipeline.transformer_device)

    def unload(self) -> None:
        """Free all memory that is kept between jobs."""
        if self._loaded is None:
            return
        device = self._loaded.pipeline.transformer_device
        if self._loaded.streamed is not None:
            self._loaded.streamed.close()
        self._loaded = None
        _collect(device)


@torch.no_grad()
def _decoded(pipeline: EX4DPipeline, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
    """Pictures (h, w, 3) in [0, 1], one by one."""
    for frames in pipeline.decode_frames(latents):
        yield from (frames[0].permute(1, 2, 3, 0) * 0.5 + 0.5).clamp(0, 1).cpu().numpy()


def _step_done(pipeline: EX4DPipeline, index: int, estimate: torch.Tensor, progress: Progress) -> None:
    """Report a step; now and then with a look at the middle of the clip as it would be if this were the last."""
    progress.advance()
    if index % LOOK_STEPS == LOOK_STEPS - 1:
        picture = pipeline.decode_picture(estimate, estimate.shape[2] // 2)[0]
        progress.thumbnail(((picture.permute(1, 2, 0) * 0.5 + 0.5).clamp(0, 1) * 255).to(torch.uint8).cpu().numpy())


def clip_tensors(clip: Clip) -> tuple[torch.Tensor, torch.Tensor]:
    """Colour (1, 3, T, h, w) in [−1, 1], −1 in the holes, and mask (1, 1, T, h, w), −1 or +1."""
    color = torch.from_numpy(clip.color).permute(3, 0, 1, 2)[None] * 2 - 1
    visible = torch.from_numpy(clip.visible)[None, None]
    return color, torch.where(visible, TAKES.mask_known, TAKES.mask_hole)


def _dtype(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def _device_name(device: torch.device) -> str:
    return f"{torch.cuda.get_device_name(device)}, {free_gib(device):.0f} GiB free"


def _held_gib(device: torch.device) -> float:
    return torch.cuda.memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0


def _collect(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        # Page-locked memory, which reading and parked weights leave behind; torch would keep it for ever. The call has
        # no public name in all versions that are supported.
        if (release := getattr(torch._C, "_host_emptyCache", None)) is not None:
            release()


_host: ModelHost | None = None


def model_host() -> ModelHost:
    """The process's one host."""
    global _host  # noqa: PLW0603  a worker keeps one model
    if _host is None:
        _host = ModelHost()
    return _host
