# SPDX-License-Identifier: Apache-2.0
"""The EX-4D model in a process that does one job after the other: loads what a job needs, lays it out on the GPU, keeps
it for the next job, and calls the pipeline."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ex4d.fill.ex4d_wan.clip import Clip
from ex4d.fill.ex4d_wan.conditioning import TAKES, token_count
from ex4d.fill.ex4d_wan.conditions import masked
from ex4d.fill.ex4d_wan.model_files import check_quantized, needed_roles
from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline, Phase, Surroundings
from ex4d.fill.ex4d_wan.profiles import Plan, Profile, profile_plans
from ex4d.fill.ex4d_wan.quirks import first_frame
from ex4d.fill.ex4d_wan.weight_source import FileWeights, WeightSource
from ex4d.fill.ex4d_wan.weights import check_fit
from ex4d.models.device_memory import collect, device_name, free_gib, held_gib
from ex4d.models.interrupt import interruptible
from ex4d.models.locations import lora_fingerprint
from ex4d.models.memory_plan import MemoryPlan
from ex4d.models.model_files import ModelFiles
from ex4d.models.parallel.group import RankGroup
from ex4d.models.parallel.layout import RankLayout, choose_layout
from ex4d.models.parallel.sequence import SharedTokens
from ex4d.models.parallel.team import Team
from ex4d.models.runtime import Loaded, ModelRuntime, ModelSpec, model_runtime, out_of_memory
from ex4d.models.torch_device import pick_device, rank_devices
from ex4d.models.wan.attention import SelfAttention, attend, fastest_kernel, self_attention
from ex4d.models.wan.block import is_fp8, use_fast_blocks
from ex4d.models.wan.feedforward import use_fused_gelu
from ex4d.models.wan.flash3 import attend_flash3, has_flash3, self_attention_8_bits
from ex4d.models.wan.fp8 import has_fp8
from ex4d.models.wan.image import encode_image
from ex4d.models.wan.load import Layout, load_tokenizer
from ex4d.models.wan.lora import load_lora
from ex4d.models.wan.sampler import create_scheduler
from ex4d.models.wan.sizes import TEXT_LENGTH
from ex4d.models.wan.text import count_tokens, encode_prompt
from ex4d.models.wan.vae import use_fast_vae
from ex4d.system.progress import Progress, Silent

log = logging.getLogger(__name__)

MODEL = ModelSpec(
    title="The EX-4D model",
    without_gpu="Install its driver and a torch with CUDA, or use --fill preview; `ex4d doctor` tells more.",
    with_less="Close other programs that use the GPU, or choose --fill fast, a smaller --fill-size or fewer frames.",
)
#: Steps between two thumbnails of what is being made.
THUMBNAIL_STEPS = 4
#: GiB that the text encoder takes on the GPU; with less it runs on the CPU.
_TEXT_GIB = 13.0
#: With more free GiB the image encoder's memory need not come back at once.
_PLENTY_GIB = 16.0


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
        gpus: that share the work.
    """

    places: tuple[Path, ...]
    profile: Profile
    prompt: str
    negative_prompt: str
    seed: int
    lora: Path | None = None
    fp8: bool | None = None
    gpus: int = 1

    @property
    def in_8_bits(self) -> bool:
        """Whether the transformer's linear layers are."""
        return self.profile.fp8 if self.fp8 is None else self.fp8


@dataclass(frozen=True)
class Order:
    """What the other ranks of a job are told before they are given its pictures.

    Attributes:
        request: of the job.
        fit: how rank 0 lays the model out.
        weights: where they come from.
    """

    request: Request
    fit: MemoryPlan
    weights: WeightSource


def _check_profile(models: ModelFiles, profile: Profile) -> None:
    """Raise BadInputError where the transformer is in 8 bits, with the adapter fused, and the profile wants it in 16,
    or wants to fuse another LoRA before it is quantized."""
    if profile.distilled or not profile.fp8:
        models.check_not_quantized(f"the profile «{profile.name}»")
    check_quantized(models)


@dataclass
class ModelHost:
    """See the module. Not for several threads.

    Attributes:
        weights: where they come from.
        runtime: what keeps the model.
        layout: the one to take, None = the first that there is memory for. For measurements.
    """

    weights: WeightSource = field(default_factory=FileWeights)
    runtime: ModelRuntime = field(default_factory=ModelRuntime)
    layout: MemoryPlan | None = None
    _models: tuple[str, ModelFiles] | None = None
    _team: Team | None = None

    # Before ------------------------------------------------------------------------------------------------------

    def plan(
        self,
        places: Sequence[Path],
        profile: Profile,
        size: tuple[int, int] | None,
        count: int | None,
        gpus: int = 1,
    ) -> Plan:
        """Where and how the model would run; reads no weights.

        Raises:
            BadInputError: parts of the model are missing or damaged, or the profile cannot use them.
            ResourceError: there is too little memory, no GPU, or fewer than ``gpus``.
        """
        models = self._find(places)
        _check_profile(models, profile)
        for role in needed_roles(models):
            # The LoRA is looked for where it is read.
            if role != "lora":
                models.part(role)
        device, side = pick_device(), TAKES.size.trained_side
        fit = self._choose(models, profile, size or (side, side), count or TAKES.frames.trained, device)
        text = f"{device_name(device)}: {fit.describe()}" if device.type == "cuda" else "on the CPU"
        ranks = self._ranks(models, profile, device, gpus)
        if ranks.size > 1:
            text = f"{text}, {ranks.describe()}"
        attention = attention_kind(device, fit.fp8 and profile.fp8, ranks.sequence)
        if attention:
            text = f"{text}, {_ATTENTION[attention]}"
        return Plan(device.type, fit.fp8, has_fp8(device), text, models.fingerprint(), attention, ranks.sequence)

    def _ranks(self, models: ModelFiles, profile: Profile, device: torch.device, gpus: int) -> RankLayout:
        """How so many GPUs share the work; raises ResourceError where there are fewer."""
        if gpus == 1:
            return RankLayout()
        rank_devices(device, gpus)
        return choose_layout(gpus, self.weights.heads(models), guided=profile.guidance != 1)

    def _find(self, places: Sequence[Path]) -> ModelFiles:
        key = self.weights.fingerprint(places)
        if self._models is None or self._models[0] != key:
            self._models = (key, self.weights.find(places))
        return self._models[1]

    def _candidates(
        self, models: ModelFiles, profile: Profile, size: tuple[int, int], frames: int, fp8: bool | None
    ) -> list[MemoryPlan]:
        """All layouts, or those with weights of so many bits."""
        parameters = self.weights.parameters(models)
        found = profile_plans(profile, token_count(size, frames), size[0] * size[1] / 1e6, parameters)
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
        if self.layout is not None:
            return self.layout
        candidates = self._candidates(models, profile, size, frames, fp8)
        return self.runtime.choose(MODEL, candidates, self.weights.parameters(models), device)

    # A job -------------------------------------------------------------------------------------------------------

    def run(
        self, request: Request, clip: Clip, progress: Progress
    ) -> tuple[Iterator[NDArray[np.float32]], tuple[str, ...]]:
        """Generate a clip.

        Returns:
            The pictures (h, w, 3) in [0, 1], one for each of the clip's ``numbers``, decoded as they are taken; and
            sentences for the report.

        Raises:
            BadInputError, ResourceError: as ``plan``; or memory did not last, also not with the next smaller layout.
        """
        models = self._find(request.places)
        _check_profile(models, request.profile)
        device = pick_device()
        frames, height, width = clip.visible.shape
        # Of the planned precision alone: another one would be another result.
        fit = self._choose(models, request.profile, (width, height), frames, device, request.in_8_bits)
        candidates = self._candidates(models, request.profile, (width, height), frames, fit.fp8)

        def work(fit: MemoryPlan) -> tuple[Iterator[NDArray[np.float32]], tuple[str, ...]]:
            return self._run(request, clip, progress, models, device, fit)

        return self.runtime.run(MODEL, fit, candidates, device, progress, work)

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
            notes.append(f"{device_name(device)}: {fit.describe()}.")
        ranks = self._ranks(models, profile, device, request.gpus)
        if ranks.size > 1:
            notes.append(f"Made {ranks.describe()}.")
        if ranks.size < request.gpus:
            notes.append(
                f"{request.gpus} GPUs were asked for; guidance and the model's heads are shared by {ranks.size}."
            )
        color, mask = clip_tensors(clip)
        progress.begin("prompt", None)
        prompts = [request.prompt, *([request.negative_prompt] if profile.guidance != 1 else [])]
        contexts, prompt_notes = self._embed_prompts(models, prompts, device, progress)
        image = self._embed_image(models, color, device, progress)
        progress.end()
        with self._gathered(ranks, device, Order(request, fit, self.weights)) as group:
            progress.begin("load", None)
            loaded = self._load(request, models, fit, device, progress, group)
            progress.end()
            given = [color.to(device), mask.to(device), image, *contexts]
            latents = _denoised(loaded, request, given if group is None else group.share(given), progress, group)
        progress.begin("decode", len(clip.numbers))
        loaded.residence.offload()
        log.info("denoised after %.1f s", time.monotonic() - started)
        return self._pictures(loaded.model, latents, clip, progress), (*prompt_notes, *notes)

    # Several ranks -----------------------------------------------------------------------------------------------

    @contextmanager
    def _gathered(self, ranks: RankLayout, device: torch.device, order: Order) -> Iterator[RankGroup | None]:
        """Within the context the other ranks follow ``order``; None where there is but this one."""
        devices = rank_devices(device, ranks.size)
        team = self._team
        if team is not None and (ranks.size == 1 or not team.alive or team.devices != devices):
            self.dismiss()
        if ranks.size == 1:
            yield None
            return
        if self._team is None:
            self._team = Team("ex4d.fill.ex4d_wan.rank", devices)
        with self._team.work(ranks, order) as group:
            yield group

    @property
    def ranks(self) -> tuple[int, ...]:
        """Process numbers of the other ranks."""
        return self._team.processes if self._team is not None else ()

    def dismiss(self) -> None:
        """End the other ranks, and the model that shares its work with them."""
        if self._team is not None:
            self._team.close()
            self._team = None
            self.unload()

    @torch.no_grad()
    def follow(self, order: Order, group: RankGroup) -> None:
        """Be one of the other ranks of a job.

        Raises:
            as ``run``.
        """
        progress = Silent()
        models = self._find(order.request.places)
        loaded = self._load(order.request, models, order.fit, group.device, progress, group)
        _denoised(loaded, order.request, group.share(None), progress, group)

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
                collect(device)
                if attempt == "alone":
                    raise out_of_memory(MODEL, used, device) from error
                progress.note(f"{used:.1f} GiB of GPU memory were not enough to decode; the transformer made room.")
            else:
                return

    def unload(self) -> None:
        """Free all memory that is kept between jobs."""
        self.runtime.unload()

    # Conditions --------------------------------------------------------------------------------------------------

    def _embed_prompts(
        self, models: ModelFiles, prompts: Sequence[str], device: torch.device, progress: Progress
    ) -> tuple[list[torch.Tensor], list[str]]:
        notes: list[str] = []

        def encode(missing: Sequence[str]) -> list[torch.Tensor]:
            models.check_tokenizer()
            assert models.tokenizer is not None
            tokenizer, gib = load_tokenizer(models.tokenizer), models.part("text").gib
            for prompt in missing:
                if (count := count_tokens(tokenizer, prompt)) > TEXT_LENGTH:
                    notes.append(f"The prompt has {count} tokens; the model reads {TEXT_LENGTH}, the rest was cut off.")
            if device.type == "cuda" and gib > 1 and free_gib(device) - held_gib(device) < _TEXT_GIB:
                # A warm model is in the way.
                self.unload()
            large = gib < 1 or free_gib(device) > _TEXT_GIB
            where = device if large else torch.device("cpu")
            dtype = torch.bfloat16 if where.type == "cuda" or gib > 1 else torch.float32
            text: Any = self.weights.component(models, "text", dtype, where, loaded=progress.advance)
            with interruptible(text, progress.check):
                embeds = [encode_prompt(tokenizer, text, prompt).cpu() for prompt in missing]
            del text
            collect(device)
            return embeds

        return self.weights.embeddings(models, prompts, encode), notes

    def _embed_image(
        self, models: ModelFiles, color: torch.Tensor, device: torch.device, progress: Progress
    ) -> torch.Tensor:
        # Small enough to fit beside anything; its answer is another for each clip.
        encoder: Any = self.weights.component(models, "image", _dtype(device), device, loaded=progress.advance)
        embeds = encode_image(encoder, first_frame(color.to(device)))
        del encoder
        if device.type == "cuda" and free_gib(device) - held_gib(device) < _PLENTY_GIB:
            # Looking for garbage takes a quarter of a second beside a loaded model.
            collect(device)
        return embeds

    # Layout ------------------------------------------------------------------------------------------------------

    def _load(
        self,
        request: Request,
        models: ModelFiles,
        fit: MemoryPlan,
        device: torch.device,
        progress: Progress,
        group: RankGroup | None,
    ) -> Loaded[EX4DPipeline]:
        profile = request.profile
        extra = request.lora if profile.distilled else None
        assert self._models is not None
        lora = extra and lora_fingerprint(extra)
        key = ("ex4d_wan", self._models[0], fit.name, fit.fp8, profile.fp8, lora, profile.shift, str(device), group)

        def build() -> tuple[EX4DPipeline, nn.ModuleList]:
            return self._build(models, fit, extra, profile, device, progress, group)

        return self.runtime.load(key, fit, device, build)

    def _build(
        self,
        models: ModelFiles,
        fit: MemoryPlan,
        extra: Path | None,
        profile: Profile,
        device: torch.device,
        progress: Progress,
        group: RankGroup | None,
    ) -> tuple[EX4DPipeline, nn.ModuleList]:
        """The pipeline without its encoders, and the blocks of its transformer.

        Args:
            models: its files.
            fit: its layout.
            extra: file of a LoRA on top of the adapter's.
            profile: how it will be used.
            device: to compute on.
            progress: told of each tensor.
            group: the ranks that share the work, None = this one does it alone.
        """
        weights, dtype, ticks = self.weights, _dtype(device), progress.advance
        adapter, geometry = weights.adapter(models, dtype, device)
        loras = (*(() if adapter is None else (adapter,)), *((load_lora(extra),) if extra is not None else ()))
        parks = fit.name != "resident"
        layout = Layout(
            fp8=fit.fp8,
            multiply=has_fp8(device),
            store=(lambda name: torch.device("cpu") if name.startswith("blocks.") else device) if parks else None,
        )
        transformer: Any = weights.component(models, "transformer", dtype, device, loras, layout, loaded=ticks)
        vae: Any = weights.component(models, "vae", dtype, device, loaded=ticks)
        check_fit(transformer, vae, geometry, adapter)
        kind = attention_kind(device, fit.fp8 and profile.fp8, group.layout.sequence if group is not None else 1)
        if group is not None and group.layout.sequence > 1:
            transformer.shared_tokens = SharedTokens(group, attend_flash3 if kind else attend)
        if device.type == "cuda" or hasattr(transformer, "shared_tokens"):
            # Where blocks come and go memory is short, and copying them hides the few projections.
            keep = fit.name == "resident"
            attention = partial(_attention, transformer, kind)
            # Where the kernels of attention are others, and the key says so, that of the context may be one's own.
            use_fast_blocks(transformer, keep_context=keep, attention=attention, join_contexts=bool(kind))
        if device.type == "cuda":
            use_fused_gelu(transformer)
            use_fast_vae(vae)
        pipeline = EX4DPipeline(transformer, vae, geometry, create_scheduler(profile.shift))
        pipeline.set_progress_bar_config(disable=True)
        return pipeline, transformer.blocks


#: Of ``attention_kind``, for people.
_ATTENTION = {"flash3": "FlashAttention-3", "flash3-8bit": "FlashAttention-3 in 8 bits"}


def attention_kind(device: torch.device, in_8_bits: bool, sequence: int) -> str:
    """How the transformer attends to itself: "" = by torch's own kernels, "flash3" or "flash3-8bit".

    Args:
        device: where it computes.
        in_8_bits: whether the profile wants 8 bits.
        sequence: ranks that share the tokens. They exchange heads in 16 bits: what keys have in common would have to be
            known to all before.
    """
    if not has_flash3(device):
        return ""
    return "flash3-8bit" if in_8_bits and sequence == 1 else "flash3"


def _attention(transformer: Any, kind: str, block: Any) -> SelfAttention:
    """The self-attention of a block; in 8 bits only where its layers are."""
    if hasattr(transformer, "shared_tokens"):
        return self_attention(transformer.shared_tokens.attend)
    if kind == "flash3-8bit" and is_fp8(block.attn1.to_out[0]):
        return self_attention_8_bits
    return self_attention(attend_flash3 if kind else attend)


@dataclass(frozen=True)
class _Job(Surroundings):
    """Around a run of the pipeline: its progress, a place to stop at before each block, weights that come and go."""

    loaded: Loaded[EX4DPipeline]
    progress: Progress
    steps: int
    alone: bool

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """See ``Surroundings``."""
        pipeline, residence = self.loaded.model, self.loaded.residence
        if name == "denoise":
            self.progress.begin(name, self.steps)
            residence.onload()
            fastest = fastest_kernel() if self.loaded.device.type == "cuda" else nullcontext()
            with self._interruptible(pipeline.transformer), fastest:
                yield
        else:
            self.progress.begin(name, None)
            residence.offload()
            with self._interruptible(pipeline.vae):
                yield
        self.progress.end()

    def _interruptible(self, network: nn.Module) -> AbstractContextManager[None]:
        # One of several ranks must not stop where the others wait for it: they agree, see ``RankGroup.agree``.
        return interruptible(network, self.progress.check) if self.alone else nullcontext()

    def advance(self) -> None:
        """See ``Surroundings``."""
        self.progress.advance()

    def check(self) -> None:
        """See ``Surroundings``."""
        self.progress.check()


def _denoised(
    loaded: Loaded[EX4DPipeline],
    request: Request,
    given: Sequence[torch.Tensor],
    progress: Progress,
    group: RankGroup | None,
) -> torch.Tensor:
    """The latents (1, 16, t, h, w) of a job.

    Args:
        loaded: the model.
        request: of the job.
        given: colour, mask, embeddings of the first frame, of the prompt and, with guidance, of the negative one.
        progress: shows pictures too, but those of other ranks than the first one.
        group: of several ranks, each of which calls this alike.
    """
    profile, looks = request.profile, _Looks(progress)
    color, mask, image, *contexts = given

    def step_done(pipeline: EX4DPipeline, index: int, _moment: float, tensors: dict[str, torch.Tensor]) -> None:
        if group is None or group.rank == 0:
            looks.step_done(pipeline, index, tensors["x0"])

    return loaded.model(
        color,
        mask,
        prompt_embeds=contexts[0],
        negative_prompt_embeds=contexts[1] if len(contexts) > 1 else None,
        image_embeds=image,
        num_inference_steps=profile.steps,
        guidance_scale=profile.guidance,
        generator=torch.Generator().manual_seed(request.seed),
        output_type="latent",
        held_guidance=profile.held_guidance,
        surroundings=_Job(loaded, progress, profile.steps, alone=group is None),
        ranks=group,
        callback_on_step_end=step_done,
    ).frames


@torch.no_grad()
def _decoded(pipeline: EX4DPipeline, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
    """Pictures (h, w, 3) in [0, 1], one by one."""
    for frames in pipeline.decode_frames(latents):
        yield from (frames[0].permute(1, 2, 3, 0) * 0.5 + 0.5).clamp(0, 1).cpu().numpy()


class _Looks:
    """Pictures of the middle of a clip as it would be if the step were the last, one every few steps. They are shown
    when they are there: a step that waited for one would leave the GPU, or all of them, without work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._coming: tuple[torch.Tensor, Any] | None = None

    def step_done(self, pipeline: EX4DPipeline, index: int, estimate: torch.Tensor) -> None:
        """Report a step; ``estimate``: its latents of the end."""
        self._progress.advance()
        self._show()
        if index % THUMBNAIL_STEPS == THUMBNAIL_STEPS - 1:
            picture = pipeline.decode_picture(estimate, estimate.shape[2] // 2)[0]
            codes = ((picture.permute(1, 2, 0) * 0.5 + 0.5).clamp(0, 1) * 255).to(torch.uint8)
            ready = None
            if codes.is_cuda:
                codes = torch.empty(codes.shape, dtype=codes.dtype, pin_memory=True).copy_(codes, non_blocking=True)
                ready = torch.cuda.Event()
                ready.record()
            self._coming = codes, ready
            self._show()

    def _show(self) -> None:
        if self._coming is not None and (self._coming[1] is None or self._coming[1].query()):
            self._progress.thumbnail(self._coming[0].numpy())
            self._coming = None


def clip_tensors(clip: Clip) -> tuple[torch.Tensor, torch.Tensor]:
    """Colour (1, 3, T, h, w) in [−1, 1] and mask (1, 1, T, h, w) of ``masked``."""
    color = torch.from_numpy(clip.color).permute(3, 0, 1, 2)[None] * 2 - 1
    return masked(color, torch.from_numpy(clip.visible)[None, None])


def _dtype(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if device.type == "cuda" else torch.float32


_host: ModelHost | None = None


def model_host() -> ModelHost:
    """The process's one host."""
    global _host  # noqa: PLW0603  a worker keeps what it knows of the files
    if _host is None:
        _host = ModelHost(runtime=model_runtime())
    return _host
