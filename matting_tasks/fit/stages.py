"""Stages: what a network learns one after the other, and on what.

MattingBase, then MattingRefine (Lin et al. 2020, arXiv 2012.07810); RobustVideoMatting in four stages (Lin et al. 2021,
arXiv 2108.11515): short clips, longer clips, clips at full size through the guided filter beside those, stills, and
segmentation between. Sizes, clips and batches are smaller here than published, where several large GPUs trained;
segmentation learns from the same people instead of photographs with masks, and less often.

The authors' own rates: MattingRefine (train_refine.py of PeterL1n/BackgroundMattingV2) backbone 5e-5, decoder 1e-4,
refiner 3e-4, in a far longer stage; RobustVideoMatting (documentation/training.md of its repository) backbone
1e-4, 5e-5, 1e-5, 1e-5, decoder 2e-4, 1e-4, 1e-5, 5e-5, guided filter 2e-4. Our refiner, and the decoder in our first
three stages of RobustVideoMatting, learn faster, for these stages are much shorter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.losses import LossWeights

BASE, REFINE, RECURRENT = "base", "refine", "recurrent"


@dataclass(frozen=True, slots=True)
class Clips:
    """Say what clips a stage has beside its own, as many in a batch: their length, and their sides."""

    n_frames: int
    least_px: int
    most_px: int


@dataclass(frozen=True, slots=True)
class Stage:
    """Describe one stage.

    kind: base (the base network at its own size), refine (the whole of MattingRefine) or recurrent. share: of the
    steps or minutes of all stages. n_examples, n_frames, least_px, most_px: of the stream. rate, backbone_rate and
    refiner_rate: the highest learning rates, of the refiner `rate` where it has none of its own. downsample_ratio: of
    a recurrent network; at 1 its guided filter does not learn. segmentation_every: each so many steps the segmentation
    head learns instead, 0 never. beside: clips of another length, small enough to be seen whole, that every other turn
    of the stream has, so that short clips do not let the memory wither. refiner_alone: nothing but the refiner learns,
    and no statistics of any BatchNorm change, so that it learns by what it will be used with.
    """

    name: str
    kind: str
    share: float
    n_examples: int
    n_frames: int
    least_px: int
    most_px: int
    rate: float
    backbone_rate: float
    weights: LossWeights
    downsample_ratio: float = 1.0
    segmentation_every: int = 0
    refiner_rate: float | None = None
    beside: Clips | None = None
    refiner_alone: bool = False


PLATE_WEIGHTS = LossWeights(laplacian=0.5, unknown=2.0)
CLIP_WEIGHTS = LossWeights(gradient=0.0, laplacian=1.0, error=0.0, coherence=5.0, foreground_coherence=5.0)

BASE_STAGE = Stage("base", BASE, 1.0, 8, 1, 128, 224, 1e-3, 4e-4, PLATE_WEIGHTS)
REFINE_STAGE = Stage("refine", REFINE, 0.2, 2, 1, 512, 896, 1e-4, 5e-5, PLATE_WEIGHTS, refiner_rate=1e-3)
REFINER_STAGE = Stage(
    "refiner", REFINE, 0.2, 2, 1, 576, 1024, 2e-3, 0.0, PLATE_WEIGHTS, refiner_rate=2e-3, refiner_alone=True
)
LONG_CLIPS = Clips(12, 160, 256)
RECURRENT_STAGES = (
    Stage("short clips", RECURRENT, 1.0, 2, 6, 160, 256, 4e-4, 1e-4, CLIP_WEIGHTS, segmentation_every=4),
    Stage("long clips", RECURRENT, 0.3, 2, 16, 160, 256, 2e-4, 5e-5, CLIP_WEIGHTS, segmentation_every=4),
    Stage("full size", RECURRENT, 0.3, 2, 4, 512, 768, 5e-5, 1e-5, CLIP_WEIGHTS, 0.25, 4, 2e-4, LONG_CLIPS),
    Stage("stills", RECURRENT, 0.3, 4, 1, 512, 768, 5e-5, 1e-5, CLIP_WEIGHTS, 0.25, 4, 2e-4, LONG_CLIPS),
)


def stages_of(model: str) -> tuple[Stage, ...]:
    """Return the stages of a registry entry, in order. Raises ValueError for a model that cannot be trained."""
    architecture = model.split("@")[0]
    if architecture.startswith("mattingrefine-"):
        return BASE_STAGE, REFINE_STAGE, REFINER_STAGE
    if architecture.startswith("mattingbase-"):
        return (BASE_STAGE,)
    if architecture.startswith("rvm-"):
        return RECURRENT_STAGES
    raise ValueError(f"{model} has nothing that could be trained")


def choose(stages: tuple[Stage, ...], names: tuple[str, ...]) -> tuple[Stage, ...]:
    """Return the stages of these names in their own order, all where no name is given. Raises ValueError."""
    known = [stage.name for stage in stages]
    for name in names:
        if name not in known:
            raise ValueError(f"no stage {name!r}: this model has {', '.join(known)}")
    return tuple(stage for stage in stages if not names or stage.name in names)


def resized(stage: Stage, least_px: int | None, most_px: int | None, n_examples: int | None) -> Stage:
    """Return a stage with other sizes or another batch; None leaves what it has. Clips beside get no larger."""
    least, most, beside = least_px or stage.least_px, most_px or stage.most_px, stage.beside
    if beside is not None:
        beside = replace(beside, least_px=min(beside.least_px, least), most_px=min(beside.most_px, most))
    return replace(stage, least_px=least, most_px=most, n_examples=n_examples or stage.n_examples, beside=beside)


def at_rate(stage: Stage, factor: float) -> Stage:
    """Return a stage with other learning rates: its own times a factor, above 0."""
    refiner_rate = None if stage.refiner_rate is None else stage.refiner_rate * factor
    rate, backbone_rate = stage.rate * factor, stage.backbone_rate * factor
    return replace(stage, rate=rate, backbone_rate=backbone_rate, refiner_rate=refiner_rate)
