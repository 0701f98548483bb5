# SPDX-License-Identifier: Apache-2.0
"""What each learned estimator is, needs and may be used for. Known without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from ex4d.protocol.errors import ResourceError
from ex4d.protocol.models import Extra

GPU_EXTRA = 'pip install "ex4d[gpu]", or choose "For: NVIDIA GPU" in the add-on\'s preferences'
MOGE_EXTRA = 'pip install "ex4d[gpu,moge]", or MoGe from its repository, github.com/microsoft/MoGe'
_GPU_PACKAGES = ("torch", "transformers", "diffusers", "safetensors", "huggingface_hub", "psutil")

APPLE_RESEARCH = "Apple Machine Learning Research Model licence (apple-amlr), research only, no commercial use"
NON_COMMERCIAL = "CC-BY-NC-4.0, no commercial use"


@dataclass(frozen=True)
class Weights:
    """One repository of the hub that an estimator reads.

    Attributes:
        repository: "owner/name"; its files lie in a folder of that name.
        files: paths within it that must be there.
        what: for people.
        licence: of the weights, as their authors state it: SPDX name, and what it forbids.
        megabytes: of the files, about: how many parameters they hold in which precision. The hub tells exactly.
        gated: whether the hub gives them only to who has accepted their terms there.
    """

    repository: str
    files: tuple[str, ...]
    what: str
    licence: str
    megabytes: int
    gated: bool = False

    @property
    def folder(self) -> str:
        """Name of the folder that the files lie in."""
        return self.repository.rpartition("/")[2]


@dataclass(frozen=True)
class EstimatorSpec:
    """A learned estimator.

    Attributes:
        name: as on the command line.
        title: for people.
        label: how good it is, in a few words.
        weights: what it reads.
        commercial: whether its licences allow commercial use.
        tolerance: see ``DepthSource``.
        packages: modules that it imports.
        install: how to get them.
        extra: what the add-on's installer brings them with; "" = it does not.
    """

    name: str
    title: str
    label: str
    weights: tuple[Weights, ...]
    commercial: bool
    tolerance: float
    packages: tuple[str, ...] = _GPU_PACKAGES
    install: str = GPU_EXTRA
    extra: Extra = "gpu"

    @property
    def licence(self) -> str:
        """Of the weights, for people."""
        return "; ".join(f"{weights.what}: {weights.licence}" for weights in self.weights)

    def require_packages(self) -> None:
        """Raise ResourceError where packages are missing."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            raise ResourceError(
                f"{self.title} needs packages that are not installed: {', '.join(missing)}.",
                f"Install them with: {self.install}.",
            )


def _depth_anything(size: str, licence: str, megabytes: int) -> Weights:
    return Weights(
        f"depth-anything/Depth-Anything-V2-{size}-hf",
        ("config.json", "model.safetensors"),
        f"Depth Anything V2 {size}",
        licence,
        megabytes,
    )


def _video_depth_anything(size: str, letter: str, licence: str, megabytes: int) -> Weights:
    return Weights(
        f"depth-anything/Video-Depth-Anything-{size}",
        (f"video_depth_anything_vit{letter}.pth",),
        f"Video Depth Anything {size}",
        licence,
        megabytes,
    )


#: The estimator for those who name none but have the extra ``gpu``: consistent in time, and free to use.
DEFAULT = "video_depth_anything"

_ALL = (
    EstimatorSpec(
        "video_depth_anything",
        "Video Depth Anything Small",
        "learned, consistent in time; relative depth",
        (_video_depth_anything("Small", "s", "Apache-2.0", 116),),
        commercial=True,
        tolerance=0.05,
    ),
    EstimatorSpec(
        "video_depth_anything_large",
        "Video Depth Anything Large",
        "learned, consistent in time; relative depth; not for commercial work",
        (_video_depth_anything("Large", "l", NON_COMMERCIAL, 1530),),
        commercial=False,
        tolerance=0.05,
    ),
    EstimatorSpec(
        "depth_anything",
        "Depth Anything V2 Small",
        "learned frame by frame, steadied along the flow; relative depth",
        (_depth_anything("Small", "Apache-2.0", 99),),
        commercial=True,
        tolerance=0.07,
    ),
    EstimatorSpec(
        "depth_anything_large",
        "Depth Anything V2 Large",
        "learned frame by frame, steadied along the flow; relative depth; not for commercial work",
        (_depth_anything("Large", NON_COMMERCIAL, 1341),),
        commercial=False,
        tolerance=0.07,
    ),
    EstimatorSpec(
        "moge",
        "MoGe-2",
        "learned; metres and the lens from key frames, motion from another estimator",
        (Weights("Ruicheng/moge-2-vitl", ("model.pt",), "MoGe-2", "MIT", 1310),),
        commercial=True,
        tolerance=0.05,
        packages=(*_GPU_PACKAGES, "moge"),
        install=MOGE_EXTRA,
        extra="moge",
    ),
    EstimatorSpec(
        "depth_pro",
        "Depth Pro",
        "learned frame by frame, steadied along the flow; metres and the lens; for research only",
        (Weights("apple/DepthPro-hf", ("config.json", "model.safetensors"), "Depth Pro", APPLE_RESEARCH, 1900),),
        commercial=False,
        tolerance=0.07,
    ),
    EstimatorSpec(
        "depthcrafter",
        "DepthCrafter",
        "learned, consistent in time, as the released EX-4D used it; relative depth; for research only",
        (
            Weights(
                "tencent/DepthCrafter",
                ("config.json", "diffusion_pytorch_model.safetensors"),
                "DepthCrafter",
                "Tencent's own, academic, research and education purposes only, no commercial use",
                3050,
            ),
            Weights(
                "stabilityai/stable-video-diffusion-img2vid-xt",
                (
                    "vae/config.json",
                    "vae/diffusion_pytorch_model.fp16.safetensors",
                    "image_encoder/config.json",
                    "image_encoder/model.fp16.safetensors",
                    "scheduler/scheduler_config.json",
                ),
                "Stable Video Diffusion XT",
                "Stability AI Community Licence",
                1460,
                gated=True,
            ),
        ),
        commercial=False,
        tolerance=0.05,
    ),
)

ESTIMATOR_SPECS: Mapping[str, EstimatorSpec] = {spec.name: spec for spec in _ALL}
