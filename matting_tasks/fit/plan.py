"""The plan of a fit: its stages, and what of it a training that is gone on with must share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from matting_tasks.fit.stages import Stage, at_rate, choose, resized, stages_of
from models.parameters import Parameter

SCRATCH, IMAGENET = "scratch", "imagenet"
SETTLED = "settings of stages"


@dataclass(frozen=True, slots=True)
class FitPlan:
    """Say what is fitted, from what, on what, and for how long.

    start: "scratch", "imagenet", or a file with weights of the same network, or of the base network of a MattingRefine.
    plates, pictures, held_pictures: files of the user's own plates, of pictures to learn from, and of others to judge
    by. foregrounds: places of foregrounds with alpha. stages: names, empty for all. minutes or steps: one of them None.
    size_px: the least and the most side of frames, None as the stages have it; n_examples: of a batch, likewise.
    rate: times the learning rates of the stages.
    save_s: how long after the last time the state is saved again. beside: other models that the card judges too, each
    with the path of its weights, empty for one without. name and licence: what the card calls the weights, and under
    which licence they are.
    """

    model: str
    start: str = IMAGENET
    plates: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    held_pictures: tuple[str, ...] = ()
    foregrounds: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    parameters: dict[str, Parameter] = field(default_factory=dict)
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    size_px: tuple[int, int] | None = None
    n_examples: int | None = None
    rate: float = 1.0
    n_held_out: int = 24
    validate_every: int = 500
    precision: str = "fp32"
    n_processes: int = 1
    n_workers: int = 1
    save_s: float = 60.0
    beside: dict[str, str] = field(default_factory=dict)
    name: str = ""
    licence: str = ""

    def asked(self) -> str:
        """Return as JSON all that decides what is learned: not who helps, nor when it is judged or saved.

        Under SETTLED are the stages as this version of cleanplate has them. Raises ValueError as `stages_of` does.
        """
        left_out = ("n_processes", "validate_every", "save_s", "beside", "name", "licence")
        known = {name: value for name, value in asdict(self).items() if name not in left_out}
        known[SETTLED] = [asdict(stage) for stage in choose(stages_of(self.model), self.stages)]
        return json.dumps(known, sort_keys=True)


def stages_asked(plan: FitPlan) -> tuple[Stage, ...]:
    """Return the stages of a fit with the sizes and the rate it asks for. Raises ValueError."""
    least, most = plan.size_px or (None, None)
    chosen = choose(stages_of(plan.model), plan.stages)
    return tuple(at_rate(resized(stage, least, most, plan.n_examples), plan.rate) for stage in chosen)
